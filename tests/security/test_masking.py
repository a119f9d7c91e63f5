"""Keys in the arguments of an agent never reach its record."""

from __future__ import annotations

import json

import pytest

from mosaic.plan.gates import parse_gates
from mosaic.runs.masking import masked_argv
from tests.support.mission import MissionRepo

KEYS = {
    "cloud": "AKIA" + "IOSFODNN7EXAMPLE",
    "cloud, for a while": "ASIA" + "IOSFODNN7EXAMPLE",
    "model": "sk-" + "abcdefghijklmnop",
    "code host": "ghp_" + "abcdefghijklmnopqrst",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("before", ["", "KEY=", "use "])
def test_a_key_of_a_known_form_is_masked(key: str, before: str) -> None:
    shown = masked_argv(["agent", f"{before}{key}"], "")
    assert shown == ("agent", f"{before}***")


@pytest.mark.parametrize("option", ["--api-key", "--token", "--my-secret", "--password"])
def test_what_follows_a_secret_option_is_masked(option: str) -> None:
    assert masked_argv([option, "plain", "kept"], "") == (option, "***", "kept")
    assert masked_argv([f"{option}=plain", "kept"], "") == (f"{option}=***", "kept")


def test_a_word_that_only_begins_like_a_key_is_kept() -> None:
    words = ("AKIAB", "task-1", "scopes/skeleton", "ASIAN")
    assert masked_argv(words, "") == words


SECRET = "hunter2Zq9"
"""It looks like any other word: only what is around it says that it is a secret."""
HIDDEN: tuple[list[str], ...] = (
    # Variables before a command, and those handed over by it.
    [f"X_API_KEY={SECRET}", "curl"], ["env", f"AWS_SECRET_ACCESS_KEY={SECRET}", "aws", "s3", "ls"],
    ["env", f"DB_PASS={SECRET}", "x"], ["env", f"PGPASSWORD={SECRET}", "psql"],
    ["env", f"MYSQL_PWD={SECRET}", "x"], ["env", f"GITHUB_TOKEN={SECRET}", "x"],
    ["env", f"OPENAI_API_KEY_2={SECRET}", "x"], ["env", f"API_KEY_PROD={SECRET}", "x"],
    ["env", f"SECRET_KEY_BASE={SECRET}", "x"], ["env", f"clientSecret={SECRET}", "x"],
    ["docker", "run", "-e", f"API_KEY={SECRET}", "x"],
    ["docker", "run", f"-eAPI_KEY={SECRET}", "x"],
    ["docker", "build", "--build-arg", f"NPM_TOKEN={SECRET}", "."], ["x", f"--env=TOKEN={SECRET}"],
    ["java", f"-Ddb.password={SECRET}", "Main"], ["helm", "--set", f"auth.password={SECRET}"],
    ["setenv", "API_KEY", SECRET], ["aws", "configure", "set", "aws_secret_access_key", SECRET],
    # At the start of an argument, or within one.
    [f"password={SECRET}"], [f"password={SECRET} and more {SECRET}"], [f"Password={SECRET};User=x"],
    ["x", f"Server=a;Pwd={SECRET};Database=b"],
    ["x", f"https://a.example/?q=1&api_key={SECRET}&b=1"],
    ["x", f"https://a.example/?token={SECRET}"], ["npm", f"//registry/:_authToken={SECRET}"],
    ["x", f'{{"password": "{SECRET}"}}'], ["x", f"{{'apiKey': '{SECRET}'}}"],
    ["x", f'{{"client_secret":"{SECRET}","a":1}}'],
    # Options.
    *[[option, SECRET] for option in (
        "--api-key", "--api_key", "--apikey", "--apiKey", "--API-KEY", "--client_secret",
        "--client-secret", "--secret-access-key", "--secret_access_key", "--private-key",
        "--access-key", "--accessKey", "--passphrase", "--pwd", "--password", "--passwd", "--pass",
        "--token", "--auth", "--auth-token", "--basic-auth", "--bearer", "--secret", "--my-secret",
        "--authtoken", "--db-password", "--rootPassword", "--signing-key", "--encryption-key",
        "--jwt", "--otp", "--cookie", "-token", "-password", "-api-key", "-pass", "-apiKey",
        "--credential", "--subscription-key", "--account_key", "--bearer-token", "--access_token",
        "--webhook.secret", "--oauth2-client-secret", "--x-api-key", "--session-token",
    )],
    *[[f"{option}={SECRET}"] for option in ("--api_key", "--pwd", "-token", "--auth",
    "--passphrase")],
    ["--token", f"-{SECRET}"],
    # Headers.
    ["curl", "-H", f"Authorization: Bearer {SECRET}"],
    ["curl", "-H", f"Authorization:Bearer {SECRET}"],
    ["curl", f"-HAuthorization: Bearer {SECRET}"], ["curl", f"--header=X-Api-Key: {SECRET}"],
    ["curl", "--header", f"x-api-key:{SECRET}"], ["curl", "-H", f"PRIVATE-TOKEN: {SECRET}"],
    ["curl", "-H", f"Authorization: token {SECRET}"], ["curl", "-H", f"Cookie: a={SECRET}; b=1"],
    ["curl", "-H", f"Proxy-Authorization: Basic {SECRET}"], ["http", f"X-Auth-Token:{SECRET}"],
    ["python3", "-c", f"get(u, headers={{'Authorization': 'Bearer {SECRET}'}})"],
    # Addresses.
    ["git", "clone", f"https://{SECRET}@host/x"], ["x", f"https://user:{SECRET}@host.example/x"],
    ["x", f"https://x-access-token:{SECRET}@github.com/a/b"],
    ["x", f"postgres://u:{SECRET}@h:5432/d"],
    ["x", f"postgres://u:{SECRET}/x@h:5432/d"], ["x", f"redis://:{SECRET}@h:6379"],
    ["x", f"https://u:{SECRET}@x@host/y"], ["curl", f"user:{SECRET}@host"],
    ["curl", f"user:{SECRET}@host.example/x"], ["x", f"user:{SECRET}@10.0.0.5"],
    ["x", f"ssh://root:{SECRET}@host"], ["x", f"--url=https://{SECRET}@host"],
    # What programs are known for.
    ["curl", "-u", f"me:{SECRET}", "x"], ["curl", "--user", f"me:{SECRET}", "x"],
    ["sshpass", "-p", SECRET, "ssh", "x"], ["sshpass", f"-p{SECRET}", "ssh", "x"],
    ["mysql", f"-p{SECRET}", "db"], ["redis-cli", "-a", SECRET],
    # All of it again within one argument.
    *[["sh", "-c", line] for line in (
        f"X_API_KEY={SECRET} make", f"export TOKEN={SECRET}", f"export TOKEN='{SECRET} x'; make",
        f'TOKEN="a {SECRET}" make', f"curl -H 'Authorization: Bearer {SECRET}' https://a.example",
        f'curl -H "X-Api-Key: {SECRET}" https://a.example', f"cd a && x --api-key {SECRET} && y",
        f"x --api_key={SECRET}|tee y", f"x --password '{SECRET} y'", f"curl -u me:{SECRET} x",
        f"git clone https://{SECRET}@host/x", f"bash -c 'TOKEN={SECRET} make'",
        f"bash -c \"x --token '{SECRET}'\"", f"x \\\n  --token {SECRET}", f"(DB_PASS={SECRET} x)",
        f"password={SECRET}\nmake", f"x --token={SECRET};y", f"setenv TOKEN {SECRET}; x",
        f"x --token {SECRET} it's", f"mysql -p{SECRET} -e 'select 1'", f"x --token\t{SECRET}",
    )],
    ["bash", "-lc", f"TOKEN={SECRET} x"], ["ssh", "host", f"TOKEN={SECRET} make"],
    ["ssh", "host", f"make --token {SECRET}"],
)  # fmt: skip

B64 = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZg"
FORMS = (
    f"AIza{B64[:35]}", f"sk-{B64}", f"sk-proj-{B64}", f"sk-ant-api03-{B64}", f"sk_live_{B64}",
    f"rk_test_{B64}", f"ghp_{B64}", f"gho_{B64}", f"ghs_{B64}", f"github_pat_{B64}", f"glpat-{B64}",
    f"xoxb-1234567890-{B64}", f"xoxp-1234567890-{B64}", f"xoxa-2-{B64}", "AKIAIOSFODNN7EXAMPLE",
    f"hf_{B64}", f"npm_{B64}", f"pypi-AgEI{B64}{B64}", f"eyJhbGciOiJI.eyJzdWIiOiIx.{B64}",
    f"eyJhbGciOiJub25l.{B64}.", f"ya29.{B64}", f"SG.{B64}.{B64}",
    f"https://hooks.slack.com/services/T/{B64}",
    f"-----BEGIN PRIVATE KEY-----\n{B64}\n-----END PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{B64}\n-----END OPENSSH PRIVATE KEY-----",
    f"-----BEGIN RSA PRIVATE KEY-----\n{B64}",
)  # fmt: skip

INNOCENT: tuple[list[str], ...] = (
    ["--tokenizer", "gpt2"], ["--keyword", "x"], ["monkey=1"], ["--max-tokens", "5"],
    ["--max_tokens=5"], ["--key-bindings", "vi"], ["--author", "Me <me@a.example>"],
    ["--password-file", "pw.txt"], ["--password-stdin", "registry.example"], ["--token-file=/x"],
    ["--public-key", "a.pub"], ["--primary-key", "id"], ["--sort-key=name"], ["--cache-key", "v1"],
    ["--keys", "a"], ["--key", "name"], ["--tokens", "9"], ["--no-auth", "x"],
    ["--auth-type", "basic"],
    ["--bypass", "x"], ["--passes", "2"], ["--secret-name", "x"], ["--compass=1"],
    ["--authority=x"],
    ["PWD=/home/me", "make"], ["OLDPWD=/x"], ["env", "KEY=value", "TURKEY=1", "PATH=/bin", "x"],
    ["git", "commit", "-m", "auth: fix the token refresh"],
    ["git", "commit", "-m", "token: refresh"],
    ["git", "clone", "git@github.com:a/b.git"], ["git", "clone", "ssh://git@github.com/a/b"],
    ["git", "clone", "https://git@github.com/a/b"], ["ssh", "me@host"], ["scp", "me@host:/x", "."],
    ["npm", "i", "npm:lodash@4.17.21"], ["npm", "i", "alias@npm:lodash@latest", "@scope/x@1.2.3"],
    ["docker", "pull", "nginx:1.25@sha256:0123456789abcdef"],
    ["docker", "run", "--user", "1000:1000"],
    ["docker", "run", "-u", "node:node", "x"], ["mkdir", "-p", "a/b"], ["x", "-u", "me", "x"],
    ["x", "http://localhost:8080/@scope/pkg"], ["x", "https://a.example/a?b=c@d"],
    ["mailto:me@a.example"], ["x", "https://a.example:443/path"],
    ["pytest", "-p", "no:cacheprovider"],
    ["pytest", "-k", "token and not secret"], ["grep", "-rn", "password", "src"], ["rg", "API_KEY"],
    ["task-abcdefghijklmnop"], ["mask-rcnn-inception-v2"], ["npm-run-all-of-them"],
    ["disk-image-abcdef"],
    ["sh", "-c", "test -n \"$TOKEN\" && make -j4 | tee 'a b'"], ["sh", "-c", "echo it's; (ls)"],
    ["sh", "-c", "TOKEN=$TOKEN make"], ["sh", "-c", 'x --token "$TOKEN" -v'],
    ["sh", "-c", "PASSWORD= make"],
    ["sh", "-c", "API_KEY=$(cat key) x"],
    ["sh", "-c", "curl -H \"Authorization: Bearer $TOKEN\" x"],
    ["x", "Content-Type: application/json"], ["curl", "-H", "Accept: text/html"],
    ["a.py::Test::test_x"],
    ["mission", "set", "T-001", "title=x"], ["python3", "-c", "print(1 == 2, 'a b')"],
    ["basic training"],
    ["--token", "--verbose"], ["key: value"], ["x", '{"keyboard": "de", "tokens": 5}'], [""], [" "],
)  # fmt: skip


@pytest.mark.parametrize("argv", HIDDEN, ids=str)
def test_a_secret_is_masked_wherever_it_is_written(argv: list[str]) -> None:
    shown = masked_argv(argv, "")
    assert not [word for word in shown if SECRET in word], shown
    assert any("***" in word for word in shown)
    assert len(shown) == len(argv)
    assert masked_argv(shown, "") == shown


@pytest.mark.parametrize("argv", INNOCENT, ids=str)
def test_what_only_looks_like_a_secret_is_kept(argv: list[str]) -> None:
    assert masked_argv(argv, "") == tuple(argv)


@pytest.mark.parametrize("key", FORMS)
@pytest.mark.parametrize(
    "around", ["{}", "use {} now", "a={}", "--x={}", "'{}'", "x({})", "echo '{}'; ls"]
)
def test_a_secret_of_a_known_form_is_masked_anywhere(key: str, around: str) -> None:
    for argv in (["x", around.format(key)], ["sh", "-c", around.format(key)]):
        shown = masked_argv(argv, "")
        assert B64[:20] not in shown[-1]
        assert "IOSFODNN" not in shown[-1]
        assert "***" in shown[-1]


def test_what_is_around_a_secret_is_kept() -> None:
    line = f"cd 'a b' && X=1 API_KEY={SECRET} make -j4 \"all it\" | tee out; echo done"
    assert masked_argv(["sh", "-c", line], "")[2] == line.replace(SECRET, "***")
    assert masked_argv(["a", "--token", SECRET, "b"], "") == ("a", "--token", "***", "b")
    header = f"curl -H 'Authorization: Bearer {SECRET}' https://a.example | jq ."
    assert masked_argv(["sh", "-c", header], "")[2] == header.replace(f"Bearer {SECRET}", "***")


@pytest.mark.parametrize(
    "word",
    ["'", '"', "\\", "(", "a:", "://", "a@", "--token ", "x='", "eyJ.", "-", "\n", "=", "a.b-"],
)
def test_masking_takes_time_by_the_length_of_what_is_masked(word: str) -> None:
    """Without a time: what grows with the square would not end within the test's limit."""
    masked_argv(["sh", "-c", word * (300_000 // len(word))], "")


def test_a_gate_is_not_named_by_a_secret_before_its_program() -> None:
    (gate,) = parse_gates(f"API_KEY={SECRET} X=1 pytest -q")
    assert gate.name == "pytest"


def test_no_record_of_a_run_holds_a_secret_of_its_command(repo: MissionRepo) -> None:
    mission = repo.mission()
    mission["qualityGates"] = f"API_KEY={SECRET} true --token {SECRET}"
    (repo.path / "coordination" / "mission.json").write_text(json.dumps(mission))
    repo.git("commit", "-qam", "A gate")
    assert repo.run("gates", "T-001").exit_code == 0
    line = f"curl() {{ :; }}; DB_PASS={SECRET} curl -H 'Authorization: Bearer {SECRET}' x"
    for argv in (
        ["true", "--client_secret", SECRET],
        ["sh", "-c", line],
        ["true", f"password={SECRET}"],
    ):
        assert repo.run("exec", "T-001", "--step", "s", "--", *argv).exit_code == 0
    assert len(list(repo.state.glob("runs/T-001/*/meta.json"))) == 4
    holding = [
        path
        for path in repo.state.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert holding == []
    shown = repo.run("review", "T-001")
    assert SECRET not in shown.stdout


def test_a_command_with_a_secret_is_still_the_one_that_was_claimed(repo: MissionRepo) -> None:
    (task,) = (repo.path / "coordination/tasks").glob("T-001*.md")
    claim = f"- `printf x --token {SECRET}`\n"
    task.write_text(task.read_text().replace("## commands_run\n", f"## commands_run\n\n{claim}", 1))
    argv = ("printf", "x", "--token", SECRET)
    assert repo.run("exec", "T-001", "--step", "s", "--", *argv).exit_code == 0
    commands = repo.run("review", "T-001", "--json").stdout
    assert '"confirmed"' in commands
