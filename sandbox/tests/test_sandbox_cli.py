"""The command: options and variables that cannot be used are named."""

from __future__ import annotations

import pytest

from signalroom_sandbox import cli


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    (
        (["--port=abc"], {}, "argument --port: 'abc' (SANDBOX_PORT): expected a port from 0 to"),
        ([], {"SANDBOX_PORT": "abc"}, "'abc' (SANDBOX_PORT): expected a port"),
        (["--port=70000"], {}, "'70000' (SANDBOX_PORT): expected a port from 0 to 65535"),
        ([], {"SANDBOX_SEED": "x"}, "'x' (SANDBOX_SEED): expected a whole number"),
        ([], {"SANDBOX_SCALE": "0"}, "'0' (SANDBOX_SCALE): expected a number above 0"),
        (["--scale=nan"], {}, "'nan' (SANDBOX_SCALE): expected a number above 0"),
        (["--scale=big"], {}, "'big' (SANDBOX_SCALE): expected a number above 0"),
        (["--latency=-1"], {}, "argument --latency: '-1': expected seconds, 0 or more"),
    ),
)
def test_what_cannot_be_used_is_named(monkeypatch, capsys, arguments, env, said):
    monkeypatch.setattr("sys.argv", ["signalroom-sandbox", *arguments])
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
