"""What the tests here share: real programs, started on ports of their own."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # Agreed with ctest in CMakeLists.txt.
PATIENCE_SECONDS = 90


def tools_folder():
    """Where tools/install_check_tools.sh puts what it brings."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("ENGRAM_TOOLS") or os.path.join(cache, "engram-tools")


def skip(missing):
    print(f"skipped: no {missing} here; tools/install_check_tools.sh brings it")
    sys.exit(SKIPPED)


def find_tool(name):
    """The path of a tool; where it is missing, ends the test as skipped."""
    path = shutil.which(name, path=f"{tools_folder()}/bin:{os.environ['PATH']}")
    return path or skip(name)


def find_python(*modules):
    """A Python that has these modules; without one, ends the test as skipped."""
    check = f"from importlib.util import find_spec; assert all(map(find_spec, {modules}))"
    for python in (f"{tools_folder()}/venv/bin/python", sys.executable):
        if pathlib.Path(python).exists() and not subprocess.run(
                [python, "-c", check], stderr=subprocess.DEVNULL).returncode:
            return python
    return skip(f"Python with {' and '.join(modules)}")


def run_by_python_with(*modules):
    """Goes on in a Python that has these modules; without one, ends the test as skipped."""
    python = find_python(*modules)
    if python != sys.executable:
        os.execv(python, [python, "-B", *sys.argv])


def free_address():
    # Free now; that another process takes it within the second is unlikely, and
    # not every program can be asked which port it found for itself.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class ProcessTest(unittest.TestCase):
    """A test with a folder of its own, and programs that end with it."""

    binaries = None  # The folder of Engram's programs; set by main.

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.running = {}

    def start(self, name, *command):
        """Starts a program; SIGTERM must end it well when the test is over."""
        log = open(self.folder / f"{name}.log", "w+")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, cwd=self.folder)
        self.running[name] = process

        def stop():
            ended_early = process.poll() is not None
            if not ended_early:
                process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            log.seek(0)
            output = log.read()
            log.close()
            self.assertFalse(ended_early, f"{name} ended by itself ({code}):\n{output}")
            self.assertEqual(code, 0, f"{name} did not stop well:\n{output}")

        self.addCleanup(stop)

    def until(self, condition, what):
        """Asks until the condition is true; OSError counts as not yet."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            for name, process in self.running.items():
                self.assertIsNone(process.poll(), f"{name} ended")
            self.assertLess(time.monotonic(), deadline, f"never: {what}")
            time.sleep(0.1)


def main(test_class):
    """Runs the tests of a script whose first argument is the folder of programs."""
    test_class.binaries = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(module=sys.modules["__main__"], verbosity=2)
