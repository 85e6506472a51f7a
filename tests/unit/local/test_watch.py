"""A saved definition is checked and deployed; one that is refused changes nothing."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import watch
from local.errors import DeployFailed, EmulatorFailed
from local.watch import Watcher


class Scene:
    """A definition's folder, a stack, and what happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[str] = []
        self.said: list[str] = []
        self.refusal = ""
        self.template = "template"
        self.on_build: Callable[[], None] = lambda: None
        self.deployment: Callable[[], None] = lambda: None
        self.built: Path | None = None

    def files(self) -> Iterator[Path]:
        yield from sorted(self.folder.rglob("*.*"))

    def digest(self, files: Iterator[Path]) -> str:
        return "".join(path.read_text() for path in files)

    def present_build(self) -> Path:
        return Path(self.template + self.digest(self.files()))

    def check(self, *_: object, **__: object) -> Any:
        self.events.append("check")
        if self.refusal == ENDLESS:
            raise subprocess.TimeoutExpired("check", 60)
        return SimpleNamespace(returncode=1 if self.refusal else 0, stderr=self.refusal)

    def build(self) -> Path:
        self.on_build()
        self.events.append("build")
        return self.present_build()

    def update(self, built: Path) -> None:
        self.deployment()
        self.events.append("deploy")
        self.built = built


ENDLESS = "Invalid definition: its check did not end within 60 s; look for an endless loop."
WHOLE = ["check", "build", "deploy", "hook"]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path)
    (tmp_path / "definition.py").write_text("one")
    monkeypatch.setattr(watch, "definition_files", made.files)
    monkeypatch.setattr(watch, "digest_of", made.digest)
    monkeypatch.setattr(watch, "present_build", made.present_build)
    monkeypatch.setattr(watch, "build", made.build)
    monkeypatch.setattr(subprocess, "run", made.check)
    made.built = made.present_build()
    return made


def watcher(scene: Scene) -> Watcher[Any]:
    return Watcher(scene, scene.said.append, lambda stack: scene.events.append("hook" if stack is scene else "?"))


def save(scene: Scene, text: str) -> None:
    (scene.folder / "definition.py").write_text(text)


def look(watching: Watcher[Any], times: int = 3) -> None:
    for _ in range(times):
        watching.look()


def test_a_changed_definition_is_deployed(scene: Scene) -> None:
    watching = watcher(scene)
    look(watching)
    assert scene.events == []
    save(scene, "another")
    watching.look()
    assert scene.events == []  # it may still be written
    watching.look()
    assert scene.events == WHOLE
    assert scene.said[0].startswith("Deployed the changed definition in ")
    look(watching)
    assert scene.events == WHOLE
    (scene.folder / "helpers.py").write_text("more")
    look(watching)
    assert scene.events == WHOLE * 2


def test_a_file_that_is_still_written_is_waited_for(scene: Scene) -> None:
    watching = watcher(scene)
    for length in range(5):
        save(scene, "x" * (length + 4))
        watching.look()
    assert scene.events == []


def test_a_touched_file_is_no_change(scene: Scene) -> None:
    watching = watcher(scene)
    save(scene, "two")
    look(watching)
    scene.events.clear()
    (scene.folder / "definition.py").touch()
    look(watching)
    assert scene.events == []


@pytest.mark.parametrize("refusal", ["Invalid definition: definition.py, line 4: no\n", ENDLESS])
def test_a_refused_definition_is_reported_once_and_changes_nothing(scene: Scene, refusal: str) -> None:
    watching = watcher(scene)
    scene.refusal = refusal
    save(scene, "broken")
    look(watching, 5)
    assert scene.events == ["check"]
    assert scene.said == [scene.refusal.strip(), "The stack keeps running with the previous definition."]
    scene.refusal = ""
    scene.events.clear()
    save(scene, "fixed")
    look(watching)
    assert scene.events == WHOLE


def test_a_definition_that_is_the_deployed_one_again_stays(scene: Scene) -> None:
    watching = watcher(scene)
    scene.refusal = "no\n"
    for text, expected in (("broken", ["check"]), ("one", ["check"]), ("broken", ["check", "check"])):
        save(scene, text)
        look(watching)
        assert scene.events == expected


def test_a_lock_that_the_check_completes_is_no_further_change(scene: Scene) -> None:
    def complete() -> None:
        (scene.folder / "definition.lock.json").write_text("completed")

    watching = watcher(scene)
    scene.on_build = complete
    save(scene, "another")
    look(watching, 6)
    assert scene.events == WHOLE


def test_a_lock_that_accepts_a_refused_meaning_deploys_it(scene: Scene) -> None:
    watching = watcher(scene)
    scene.refusal = "The meaning has changed.\n"
    save(scene, "another")
    look(watching)
    scene.refusal = ""
    scene.events.clear()
    (scene.folder / "definition.lock.json").write_text("accepted")
    look(watching)
    assert scene.events == WHOLE


@pytest.mark.parametrize(
    "error", [DeployFailed("Stack deployment failed."), OSError(28, "No space left on device"), shutil.Error("all")]
)
def test_a_failed_deployment_is_reported_and_tried_again_when_the_definition_is_saved_again(
    scene: Scene, error: Exception
) -> None:
    """Before, a full disk ended the stack, and after any other failure only a change was deployed."""

    def fail() -> None:
        raise error

    watching = watcher(scene)
    scene.deployment = fail
    save(scene, "another")
    look(watching)
    assert scene.events == ["check", "build"]
    assert scene.said == [f"The definition was not deployed; the previous one keeps running. {error}"]
    scene.deployment = lambda: None
    scene.events.clear()
    (scene.folder / "definition.py").touch()
    look(watching)
    assert scene.events == WHOLE
    (scene.folder / "definition.py").touch()
    look(watching)
    assert scene.events == WHOLE


def test_a_definition_that_cannot_be_read_is_reported(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise PermissionError(13, "Permission denied", "secret.py")

    watching = watcher(scene)
    monkeypatch.setattr(watch, "present_build", refuse)
    save(scene, "another")
    look(watching)
    assert scene.said == [
        "The definition was not deployed; the previous one keeps running. [Errno 13] Permission denied: 'secret.py'"
    ]


def test_a_changed_template_is_deployed_when_the_definition_is_saved(scene: Scene) -> None:
    """docs/local.md. Before, the definition had to change, too."""
    watching = watcher(scene)
    look(watching)
    scene.template = "another template"
    look(watching)
    assert scene.events == []
    (scene.folder / "definition.py").touch()
    look(watching)
    assert scene.events == WHOLE


def test_a_definition_that_was_saved_while_the_stack_started_is_deployed(scene: Scene) -> None:
    """Before, it was taken for the deployed one, and to save it again had no effect."""
    save(scene, "saved meanwhile")
    watching = watcher(scene)
    look(watching)
    assert scene.events == WHOLE


def test_a_template_that_changes_during_a_deployment_is_deployed_when_the_definition_is_saved(scene: Scene) -> None:
    def change() -> None:
        scene.template = "another template"

    watching = watcher(scene)
    scene.deployment = change
    save(scene, "another")
    look(watching)
    assert scene.events == WHOLE
    (scene.folder / "definition.py").touch()
    look(watching)
    assert scene.events == WHOLE * 2


def test_an_emulator_that_ends_while_aggregates_are_built_ends_the_stack(scene: Scene) -> None:
    def fail(_: object) -> None:
        raise EmulatorFailed("The emulator exited.")

    watching = Watcher[Any](scene, scene.said.append, fail)
    save(scene, "another")
    with pytest.raises(EmulatorFailed):
        look(watching)


@pytest.mark.parametrize("afterwards", ["unchecked", "another"])
def test_a_definition_that_is_saved_again_meanwhile_is_checked_again(scene: Scene, afterwards: str) -> None:
    """Perhaps only an editor's undo: what it is in the end was checked, and not deployed."""
    watching = watcher(scene)
    scene.on_build = lambda: save(scene, "unchecked")
    save(scene, "another")
    watching.look()
    watching.look()
    assert scene.events == ["check", "build"]
    save(scene, afterwards)
    scene.on_build = lambda: None
    scene.events.clear()
    look(watching)
    assert scene.events == WHOLE
