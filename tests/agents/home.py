"""A private home for a real agent: dummy keys, and a stand-in for its model server."""

from __future__ import annotations

import json
from pathlib import Path

GEMINI_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False, "maxAttempts": 1},
    "privacy": {"usageStatisticsEnabled": False},
    "model": {"name": "gemini-2.5-pro"},
}


def make_home(home: Path, url: str) -> dict[str, str]:
    """Make the home of an agent that asks the server at this address; return its variables."""
    codex = home / "codex"
    codex.mkdir(parents=True)
    (codex / "config.toml").write_text(
        'model = "gpt-5.5"\nmodel_provider = "stand_in"\ncheck_for_update_on_startup = false\n'
        "[analytics]\nenabled = false\n"
        '[model_providers.stand_in]\nname = "stand_in"\n'
        f'base_url = "{url}/v1"\nwire_api = "responses"\nenv_key = "STAND_IN_KEY"\n'
        "request_max_retries = 0\nstream_max_retries = 0\n"
    )
    gemini = home / ".gemini"
    gemini.mkdir()
    (gemini / "settings.json").write_text(json.dumps(GEMINI_SETTINGS))
    opencode = home / "opencode.json"
    provider = {
        "npm": "@ai-sdk/anthropic",
        "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"},
        "models": {"m": {"name": "m", "tool_call": True, "cost": {"input": 3, "output": 15}}},
    }
    own = {"model": "stand_in/m", "provider": {"stand_in": provider}, "autoupdate": False}
    opencode.write_text(json.dumps(own))
    return {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "CODEX_HOME": str(codex),
        "STAND_IN_KEY": "dummy",
        "OPENCODE_CONFIG": str(opencode),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "NPM_CONFIG_REGISTRY": url,  # it looks for a package of its own there
        "GEMINI_CLI_HOME": str(home),
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "dummy",
    }
