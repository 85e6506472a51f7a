"""Watches what is written, and says what must not have been."""

import json
from typing import Any

from msgspec import Struct, field

from tests.simulation.load.files import BASE, File

type Json = dict[str, Any]

_SHOWN = 20  # errors in a receipt


class Upload(Struct):
    """An upload: its number, which is also its sequencer and what its items' values begin with unless it is a copy."""

    number: int
    key: str
    file: File
    event: Json
    copy_of: int
    is_gone: bool = False

    @property
    def sequencer(self) -> str:
        """The number as S3 tells it."""
        return f"{self.number:04X}"


class Witness(Struct):
    """Knows the uploads, and what was written for each."""

    uploads: list[Upload] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    receipts: dict[int, Json] = field(default_factory=dict)
    told: dict[int, list[Json]] = field(default_factory=dict)
    _begun: dict[str, int] = field(default_factory=dict)
    _covered: dict[int, int] = field(default_factory=dict)
    _last: dict[str, tuple[int, int]] = field(default_factory=dict)

    def newest(self, key: str) -> Upload | None:
        """Return the last upload to a key."""
        return next((one for one in reversed(self.uploads) if one.key == key), None)

    def wrote(self, uploads: list[Upload], pk: str, value: int) -> None:
        """See an item of a file written for one of these uploads."""
        upload = next(one for one in uploads if one.copy_of == value // BASE)
        number, line = upload.number, value % BASE
        if number < self._begun.get(upload.key, 0):
            self.wrong.append(f"line {line} of upload {number} after upload {self._begun[upload.key]} had begun")
        if line <= self._covered.get(number, 0):
            self.wrong.append(f"line {line} of upload {number} again, after line {self._covered[number]}")
        newest = self.newest(upload.key)
        # if it was uploaded again, unchanged, an invocation that was told twice of its loss may find it again
        is_wanted = newest is not None and newest.copy_of == upload.copy_of and newest.number not in self.receipts
        later = [one.number for one in self.uploads if one.key == upload.key and number <= one.number]
        if any(not is_wanted or "failure" not in self.receipts[one] for one in later if one in self.receipts):
            self.wrong.append(f"line {line} of upload {number} after the receipt")
        self._begun[upload.key] = max(number, self._begun.get(upload.key, 0))
        self._last[pk.partition("#")[2]] = upload.copy_of, line

    def stored(self, bucket: str, key: str, body: bytes) -> None:
        """See a checkpoint or a receipt."""
        if bucket != "archive":
            return
        found = json.loads(body)
        number = int(found["sequencer"], 16)
        upload = self.uploads[number - 1]
        if key.startswith("checkpoints/"):
            if found["number"] < self._covered.get(number, 0):
                self.wrong.append(f"a checkpoint of upload {number} goes back to line {found['number']}")
            self._covered[number] = max(found["number"], self._covered.get(number, 0))
        if key.startswith("receipts/"):
            later = [one.number for one in self.uploads if one.key == upload.key and one.number >= number]
            self.wrong += [f"a receipt of upload {number} after that of {n}" for n in later if n in self.receipts]
            self.receipts[number] = found
            self._check_receipt(upload, found)

    def _check_receipt(self, upload: Upload, receipt: Json) -> None:
        file, number = upload.file, upload.number
        accepted, refused = file.outcome()
        shown = sorted(one["line"] for one in receipt["errors"])
        if "failure" in receipt and (accepted or refused):
            if not upload.is_gone:
                self.wrong.append(f"upload {number} is refused: {receipt['failure']}")
            parts = {file.outcome(line)[0] for line in (0, *(one.number for one in file.entries))}
            if receipt["accepted"] not in parts or not set(shown) <= set(refused) or receipt["rejected"] > len(refused):
                self.wrong.append(f"the receipt of upload {number} counts what no part of it has: {receipt}")
            return
        known = receipt["accepted"], receipt["rejected"]
        if known != (accepted, len(refused)) or not set(shown) <= set(refused) or len(shown) != min(_SHOWN, known[1]):
            self.wrong.append(f"the receipt of upload {number} is not exact: {receipt}, but {accepted, refused}")
        if self._begun.get(upload.key, 0) > number:
            return  # the items are those of a later upload
        for item, line in file.last_lines().items():
            if self._last.get(item) != (upload.copy_of, line):
                self.wrong.append(f"{item} is not line {line} of upload {number}, but {self._last.get(item)}")

    def settle(self, rows: dict[str, int], quarantine: list[Json]) -> None:
        """Look at what is there in the end."""
        refused: dict[int, set[int]] = {}
        for report in quarantine:
            refused.setdefault(int(report["origin"]["sequencer"], 16), set()).add(int(report["origin"]["line"]))
        for upload in self.uploads:
            expected = set(upload.file.outcome()[1])
            if refused.get(upload.number, set()) - expected:
                self.wrong.append(f"quarantine holds more lines of upload {upload.number} than {expected}")
            if len({json.dumps(one, sort_keys=True) for one in self.told.get(upload.number, ())}) > 1:
                self.wrong.append(f"two receipts of upload {upload.number} were told")
            if upload is not self.newest(upload.key):
                continue
            receipt = self.receipts.get(upload.number)
            if receipt is None:
                self.wrong.append(f"upload {upload.number} has no receipt")
            elif "failure" not in receipt:
                self._check_items(upload, rows)
                if refused.get(upload.number, set()) != expected:
                    self.wrong.append(f"quarantine lacks lines of upload {upload.number}")

    def _check_items(self, upload: Upload, rows: dict[str, int]) -> None:
        for item, line in upload.file.last_lines().items():
            known = {upload.copy_of * BASE + line, self.others.get(item)}
            if rows.get(item) not in known:
                self.wrong.append(f"in the end, {item} is {rows.get(item)}, not one of {known}")
