"""A function's process has the streams and the modules that it would have on Lambda."""

from typing import Any

import pytest

from local.emulation.forking import ForkedProcess
from local.emulation.function_process import SCRIPT, prepare_processes
from tests.unit.local.emulation.conftest import Run


@pytest.mark.parametrize("variables", [{}, {"MALLOC_ARENA_MAX": "2"}])
def test_what_a_functions_programs_print_and_read_is_not_of_its_responses(run: Run, variables: dict[str, str]) -> None:
    """Before, the text could be taken for the response, whose place the next call then got; "text" lost it."""
    runtime: dict[str, Any] = {
        SCRIPT: "import os, subprocess, sys\n"
        "out, sys.stdout = sys.stdout, sys.stderr\n"
        "for line in sys.stdin:\n"
        "    print('printed')\n"
        "    subprocess.run(['echo', '{\"status\": \"ok\"}'])\n"
        "    subprocess.run(['printf', 'text'])\n"
        "    os.write(1, b'\\xff')\n"
        "    assert subprocess.run(['cat'], capture_output=True).stdout == b''\n"
        "    out.write('response to ' + line)\n"
        "    out.flush()\n"
    }
    prepare_processes(runtime)
    process = run(runtime[SCRIPT], **variables)
    assert isinstance(process, ForkedProcess) is not bool(variables)
    for number in range(2):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"response to {number}\n"
    assert process.stderr.readline() == "printed\n"
    assert process.stderr.readline() == '{"status": "ok"}\n'
    assert process.stderr.readline() == "text\ufffdprinted\n"


@pytest.mark.parametrize("variables", [{}, {"MALLOC_ARENA_MAX": "2"}])
def test_a_function_finds_the_modules_of_its_layers_and_of_lambdas_runtime_only(
    run: Run, variables: dict[str, str]
) -> None:
    """Before, a definition could import the emulator's own packages, and failed on AWS."""
    runtime: dict[str, Any] = {
        SCRIPT: "import os, site\n"
        "site.addsitedir(os.environ['_LAMBDA_LAYERS_DIRS'] + '/python/lib/python3.13/site-packages')\n"
        "import tailrace, json, dateutil.tz, boto3\n"
        "for name in ('yaml', 'pytest'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        print(error)\n"
    }
    prepare_processes(runtime)
    process = run(runtime[SCRIPT], **variables)
    assert process.stdout.read() == "No module named 'yaml'\nNo module named 'pytest'\n", process.stderr.read()
