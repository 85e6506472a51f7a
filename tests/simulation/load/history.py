"""A history: uploads, deletions and notifications at random moments, and the invocations that they cause."""

import json
from functools import partial
from random import Random
from typing import Any

from local.in_memory.database import Database
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.stages.load import Loader
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import TailraceError
from tests.pipelines import orders
from tests.simulation.load.actors import Stage
from tests.simulation.load.clients import Cloud, Died, Invocation, Trouble
from tests.simulation.load.files import SUFFIXES, File, make_file
from tests.simulation.load.isolation import isolated
from tests.simulation.load.witness import Upload, Witness

type Json = dict[str, Any]

_ATTEMPTS = 3
_RETRY_MS = (60_000, 120_000)
_REDRIVES = 8
_OTHER = 900_000  # what others write


class History:
    """What happens to a few keys of an inbox, and what ``load`` makes of it."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = Random(seed)  # noqa: S311 - not a secret
        self.trouble = Trouble(
            latency_ms=chance.choice((20, 300, 1500)),
            fails=chance.choice((0, 0.02, 0.1)),
            dies=chance.choice((0, 0.01, 0.03)),
            stalls=chance.choice((0, 0.01, 0.04)),
        )
        self.stage = Stage()
        database = Database()
        database.create("items", "pk")
        self.cloud = Cloud(chance, self.stage, self.trouble, database)
        self.witness = Witness()
        self.timeout_ms = chance.choice((130_000, 200_000, 900_000))
        self.failed: list[Json] = []
        self.invocations = 0
        self.trace: list[str] = []
        self.keys = [f"inbox/orders/{n}{chance.choice(SUFFIXES)}" for n in range(chance.choice((1, 1, 2)))]

    def play(self) -> list[str]:
        """Play the history to its end and return what is wrong."""
        chance = self.chance
        end = chance.choice((5_000, 60_000, 600_000))
        for _ in range(chance.randint(1, 4)):
            self.stage.later(chance.uniform(0, end), partial(self._upload, chance.choice(self.keys)))
        for _ in range(chance.choice((0, 0, 3))):
            self.stage.later(chance.uniform(0, 3 * end), self._write_other)
        if chance.random() < 0.2:
            self.stage.later(chance.uniform(0, 2 * end), self._delete)
        if chance.random() < 0.5:
            self.stage.later(chance.uniform(end, 3 * end), self.trouble.end)
        with isolated(chance.choice((1, 3, 3, 500)), chance):
            self.stage.run()
            self.trouble.end()
            for _ in range(_REDRIVES):
                self._redrive()
                self.stage.run()
        if self.failed:
            self.witness.wrong.append(f"{len(self.failed)} notifications never succeed")
        items = self.cloud.database.rows("items")
        rows = {row["pk"]["S"].partition("#")[2]: int(decode_item(row)["lines"]) for row in items}
        reports = [json.loads(body) for body in self.cloud.bucket.stored("failures", "quarantine/").values()]
        self.witness.settle(rows, reports)
        return self.witness.wrong

    # --- what others do ---

    def _upload(self, key: str) -> None:
        number, before = len(self.witness.uploads) + 1, self.witness.newest(key)
        if before is not None and self.chance.random() < 0.25:
            file, copy_of = before.file, before.copy_of
        else:
            file, copy_of = self._new_file(key, number), number
        stored = self.cloud.bucket.put_object(Bucket="archive", Key=key, Body=file.body)
        if before is not None:
            before.is_gone = True
        described = {"key": key, "sequencer": f"{number:04X}", "eTag": stored["ETag"].strip('"')}
        time = self.cloud.time().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"Records": [{"eventTime": time, "s3": {"bucket": {"name": "archive"}, "object": described}}]}
        upload = Upload(number, key, file, event, copy_of)
        self._note(f"upload {number} of {key}, {len(file.entries)} lines, content of {copy_of}")
        self.witness.uploads.append(upload)
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            self.stage.later(self._moment(), partial(self._deliver, event))

    def _new_file(self, key: str, number: int) -> File:
        place = self.keys.index(key)
        ids = [f"{place}-{n}" for n in range(self.chance.choice((1, 3, 12, 40)))]
        return make_file(self.chance, key[key.index(".") :], number, ids)

    def _delete(self) -> None:
        if not self.witness.uploads:
            return
        upload = self.chance.choice(self.witness.uploads)
        self._note(f"delete {upload.key}")
        newest = self.witness.newest(upload.key)
        assert newest is not None
        newest.is_gone = True
        self.cloud.bucket.objects.pop(("archive", upload.key), None)

    def _write_other(self) -> None:
        rows = self.cloud.database.rows("items")
        if rows:
            row = self.chance.choice(rows)
            value = _OTHER + int(self.stage.now)
            self.witness.others[row["pk"]["S"].partition("#")[2]] = value
            self.cloud.database.put_item(TableName="items", Item=row | {"lines": {"N": str(value)}})

    def _moment(self) -> float:
        return self.chance.uniform(0, self.chance.choice((50, 2_000, 2_000, 15_000, 70_000, 700_000)))

    # --- Lambda ---

    def _deliver(self, event: Json, attempt: int = 1) -> None:
        self.stage.start(partial(self._invoke, event, attempt))

    def _invoke(self, event: Json, attempt: int) -> None:
        self.invocations += 1
        number = self.invocations
        uploads = [self.witness.uploads[int(one["s3"]["object"]["sequencer"], 16) - 1] for one in event["Records"]]
        aws = Invocation(
            self.cloud,
            self.stage.now + self.timeout_ms,
            lambda pk, value: self._wrote(number, uploads, pk, value),
            partial(self._stored, number),
        )
        self._note(f"invocation {number}: upload {[one.number for one in uploads]}, attempt {attempt}")
        try:
            for receipt in self._loader(aws, number)(event, aws.remaining_time_ms):
                self.witness.told.setdefault(int(receipt["sequencer"], 16), []).append(receipt)
        except (TailraceError, Died) as error:
            self._note(f"invocation {number} ends: {error!r}")
            if attempt < _ATTEMPTS:
                self.stage.later(_RETRY_MS[attempt - 1], partial(self._deliver, event, attempt + 1))
            else:
                self.failed.append(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
            self.witness.wrong.append(f"invocation {number} raises {error!r}")
        else:
            self._note(f"invocation {number} ends")

    def _loader(self, aws: Any, number: int) -> Loader:
        def hand_on(event: Json) -> None:
            def accept() -> Json:
                self.stage.later(self._moment(), partial(self._deliver, event))
                return {}

            with map_aws_errors():
                aws.call("Invoke", accept)

        return Loader(
            orders.pipeline,
            aws,
            aws,
            "items",
            "failures",
            self.cloud.time,
            hand_on=hand_on,
            make_name=lambda: f"invocation {number}",
            sleep=aws.sleep,
        )

    def _redrive(self) -> None:
        failed, self.failed = self.failed, []
        self.chance.shuffle(failed)
        for event in failed:
            self.stage.later(self._moment(), partial(self._deliver, event))

    def _wrote(self, invocation: int, uploads: list[Upload], pk: str, value: int) -> None:
        self._note(f"invocation {invocation} writes {pk}: {value}")
        self.witness.wrote(uploads, pk, value)

    def _stored(self, invocation: int, bucket: str, key: str, body: bytes) -> None:
        self._note(f"invocation {invocation} stores {key}: {body.decode()[:160] if bucket == 'archive' else ''}")
        self.witness.stored(bucket, key, body)

    def _note(self, text: str) -> None:
        self.trace.append(f"{self.stage.now / 1000:9.3f} {text}")
