// Handlers around aws-lambda-stream, as its README writes them: initialize(…).assemble(…) for each event.
//
// The library validates nothing and retries the failed entries of a call. It leaves duplicates to conditions.

const process = require("node:process");
const { gzipSync } = require("node:zlib");
const { cdc } = require("aws-lambda-stream/flavors/cdc");
const { materialize } = require("aws-lambda-stream/flavors/materialize");
const { sendMessages } = require("aws-lambda-stream/flavors/sendMessages");
const { fromDynamodb } = require("aws-lambda-stream/from/dynamodb");
const { fromSqsEvent } = require("aws-lambda-stream/from/sqs");
const { initialize, initializeFrom } = require("aws-lambda-stream/pipelines");
const { timestampCondition, updateExpression } = require("aws-lambda-stream/sinks/dynamodb");
const { putObjectToS3 } = require("aws-lambda-stream/sinks/s3");
const { defaultOptions, toGroupUows, toPromise } = require("aws-lambda-stream/utils/index");
const { isDisrupted, normalise } = require("./flights.cjs");

const EVERY = /^flight-/;

const toMessage = ({ event }) => ({ Id: event.id, MessageBody: JSON.stringify(event) });
const toQueue = (name) => ({
  id: name,
  flavor: sendMessages,
  eventType: EVERY,
  queueUrl: `${process.env.AWS_ENDPOINT_URL}/1/${name}`,
  toMessage,
});
const isDisruption = ({ event }) => isDisrupted(event.raw.old) || isDisrupted(event.raw.new);
const disruptions = { ...toQueue("disruptions"), filters: [isDisruption] };
const archive = toQueue("archive");
const bus = { id: "bus", flavor: cdc, eventType: EVERY };

// the newest image of an item is its row; `compact` writes the last one of a batch
const toUpdateRequest = ({ event }) => ({
  Key: { pk: event.partitionKey, sk: "flight" },
  ...updateExpression({ ...event.raw.new, timestamp: event.timestamp }),
  ...timestampCondition(),
});
const rows = {
  id: "rows",
  flavor: materialize,
  eventType: EVERY,
  compact: true,
  tableName: "flights",
  toUpdateRequest,
};

const toFlights = (uow) => {
  const { old, new: now } = uow.event.raw;
  return { ...uow, event: { ...uow.event, raw: { old: normalise(old), new: normalise(now) } } };
};
const fromTable = (rules) => (event) =>
  initialize(initializeFrom(rules), { ...defaultOptions, busName: "changes" })
    .assemble(fromDynamodb(event, { eventTypePrefix: "flight" }).map(toFlights))
    .through(toPromise);

const hourOf = ({ event }) => new Date(event.timestamp).toISOString().slice(0, 13);
const toPutRequest = ({ batch }) => ({
  batch,
  putRequest: {
    Key: `${hourOf(batch[0])}/${batch[0].event.id}.jsonl.gz`,
    Body: gzipSync(batch.map(({ event }) => `${JSON.stringify(event)}\n`).join("")),
  },
});
const toArchive = (event) =>
  fromSqsEvent(event)
    .group(hourOf)
    .flatMap(toGroupUows)
    .map(toPutRequest)
    .through(putObjectToS3({ bucketName: "archive" }))
    .through(toPromise);

module.exports = {
  archive: toArchive,
  materialize: fromTable([rows]),
  publish: fromTable([bus, disruptions]),
  route: fromTable([archive, disruptions]),
};
