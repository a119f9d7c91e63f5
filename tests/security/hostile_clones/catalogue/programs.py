"""Programs and commands that the repository names or brings."""

from __future__ import annotations

from tests.security.hostile_clones.catalogue.registry import hostile
from tests.security.hostile_clones.repository import Repository

NAMES = ("claude", "codex", "tmux", "git", "less", "sh", "mission", "python3", "ps")
BARE = ("HEAD", "objects/info/packs", "refs/heads/main")


@hostile
def the_agents_are_programs_of_the_repository(repo: Repository) -> None:
    """`claude` and `codex` are asked for their version by name, and these stand in their place."""
    claude, codex = repo.program("tools/claude"), repo.program("tools/codex")
    repo.settings(runtimes={"claude": {"command": [claude]}, "codex": [codex, "{prompt}"]})


@hostile
def the_agents_are_commands_of_the_repository(repo: Repository) -> None:
    """The program is the person's shell; what it does is the repository's."""
    command = ["/bin/sh", "-c", repo.payload]
    repo.settings(runtimes={"claude": {"command": command}, "codex": command}, runtime="codex")


@hostile
def programs_of_the_repository_with_the_working_directory_on_the_path(repo: Repository) -> None:
    """The person's PATH begins with `.`."""
    for name in NAMES:
        repo.program(name)
    repo.victim_environ["PATH"] = f".:{repo.path_of_person()}"


@hostile(is_variant=True)
def programs_of_the_repository_with_an_empty_part_of_the_path(repo: Repository) -> None:
    """An empty part is the working directory too."""
    for name in NAMES:
        repo.program(name)
    repo.victim_environ["PATH"] = f":{repo.path_of_person()}"


@hostile
def programs_of_the_repository_in_a_folder_on_the_path(repo: Repository) -> None:
    """As tools for projects set it up: `node_modules/.bin` of the clone comes first."""
    for name in NAMES:
        repo.program(f"node_modules/.bin/{name}")
    place = repo.lab.clone / "node_modules" / ".bin"
    repo.victim_environ["PATH"] = f"{place}:node_modules/.bin:{repo.path_of_person()}"


@hostile
def every_setting_that_is_a_command(repo: Repository) -> None:
    """Gates, a notice, a worktree's setup, and an agent's own variables."""
    command = ["/bin/sh", "-c", repo.payload]
    repo.settings(
        qualityGates=[repo.payload, {"command": repo.payload}],
        notify=command,
        worktrees={"setup": repo.payload, "copy": ["/etc/hostname"], "link": ["../neighbour"]},
        review={"greenIsDone": True, "gates": "always", "command": command},
        runtimes={"agent": {"command": command, "resume": command, "interactive": command,
                            "env": {"PATH": ".", "GIT_EXTERNAL_DIFF": repo.payload}}},
        runtime="agent",
        hooks={"status": repo.payload}, pager=repo.payload, editor=repo.payload,
    )  # fmt: skip


@hostile(is_variant=True)
def gates_alone(repo: Repository) -> None:
    """A gate as one line, for whoever refuses the settings above as a whole."""
    repo.settings(qualityGates=repo.payload, notify=["/bin/sh", "-c", repo.payload])


@hostile
def templates_that_want_out_of_their_sandbox(repo: Repository) -> None:
    """Prompts, parts of prompts and roles that look for a way to the machine."""
    calls = (
        "{{ cycler.__init__.__globals__.os.popen(COMMAND).read() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% include '/etc/passwd' %}{% include '../../home/.bashrc' %}",
        "{{ lipsum.__globals__['os'].system(COMMAND) }}",
        "{% for a in range(99999999) %}{% endfor %}",
        "{{ 'x' * 999999999 }}",
    )
    for number, name in enumerate(("continuation", "_rules", "_task", "resume", "worker")):
        text = calls[number].replace("COMMAND", repr(repo.payload))
        repo.write(f"templates/{name}.md.j2", text)
    for name in ("roles/critic", "agents-section", "kits/next"):
        repo.write(f"templates/{name}.md.j2", calls[3].replace("COMMAND", repr(repo.payload)))


@hostile
def attributes_that_name_what_the_person_has_set_up(repo: Repository) -> None:
    """A filter of the person's own is git's business; a textconv or an external diff is not."""
    allowed = repo.lab.home / "bin" / "own-filter"
    allowed.write_text("#!/bin/sh\nexec /bin/cat\n")
    allowed.chmod(0o755)
    repo.allowed.extend([str(allowed), "/bin/sh", "/bin/cat"])
    with (repo.lab.home / ".gitconfig").open("a") as file:
        file.write(f'[filter "own"]\nclean = {allowed}\nsmudge = {allowed}\n')
        file.write(f'[diff "own"]\ntextconv = {repo.payload}\ncommand = {repo.payload}\n')
        file.write(f'[merge "own"]\ndriver = {repo.payload}\n')
    repo.write(".gitattributes", "*.txt filter=own\n*.md diff=own merge=own\n*.json merge=own\n")


@hostile(ways=("copy",))
def settings_of_git_in_an_archive(repo: Repository) -> None:
    """A folder that was unpacked or is shared brings its own `.git/config` and hooks."""
    payload = repo.payload
    with (repo.path / ".git" / "config").open("a") as file:
        file.write(f"[core]\nfsmonitor = {payload}\npager = {payload}\neditor = {payload}\n")
        file.write(f"sshCommand = {payload}\naskPass = {payload}\n")
        file.write(f"[diff]\nexternal = {payload}\n[interactive]\ndiffFilter = {payload}\n")
        file.write(f"[gpg]\nprogram = {payload}\n[log]\nshowSignature = true\n")
        file.write(f"[credential]\nhelper = !{payload}\n")

    def make() -> None:
        for name in ("post-index-change", "pre-commit", "reference-transaction", "post-checkout"):
            hook = repo.lab.clone / ".git" / "hooks" / name
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(f"#!/bin/sh\n{payload}\n")
            hook.chmod(0o755)

    repo.afterwards.append(make)


@hostile
def the_mission_s_folder_is_a_repository_of_its_own(repo: Repository) -> None:
    """git called there takes the folder for a bare repository, and its settings for its own."""
    for place in ("coordination", "coordination/tasks"):
        for name in BARE:
            repo.write(f"{place}/{name}", "ref: refs/heads/main\n" if name == "HEAD" else "")
        repo.write(
            f"{place}/config",
            f"[core]\nbare = false\nworktree = ..\nfsmonitor = {repo.payload}\n"
            f"[diff]\nexternal = {repo.payload}\n",
        )


@hostile(is_variant=True)
def commands_called_in_a_bare_repository_of_the_clone(repo: Repository) -> None:
    """The same in a folder of the project that the person has gone into."""
    for name in BARE:
        repo.write(f"src/x/{name}", "ref: refs/heads/main\n" if name == "HEAD" else "")
    repo.write("src/x/config", f"[core]\nworktree = ../..\nfsmonitor = {repo.payload}\n")
    repo.start_in.append("src/x")


@hostile(ways=("copy",))
def a_second_git_folder_below_the_mission(repo: Repository) -> None:
    """`coordination/.git` leads to the neighbour, with settings of the author's."""

    def make() -> None:
        (repo.lab.clone / "coordination" / ".git").write_text(
            f"gitdir: {repo.lab.neighbour / '.git'}\n"
        )

    repo.afterwards.append(make)


@hostile(is_variant=True)
def submodules_that_are_commands(repo: Repository) -> None:
    """A `.gitmodules` whose addresses and update rules git would run."""
    repo.write(
        ".gitmodules",
        f'[submodule "x"]\npath = lib\nurl = ext::{repo.payload}\nupdate = !{repo.payload}\n'
        f"ignore = none\n",
    )
    head = repo.lab.git(repo.path, "rev-parse", "HEAD").strip()
    repo.lab.git(repo.path, "update-index", "--add", "--cacheinfo", f"160000,{head},lib")
    (repo.path / "lib").mkdir()
