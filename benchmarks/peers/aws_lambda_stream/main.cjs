// `node main.cjs HANDLER` handles the event on each line of the standard input, and prints the microseconds of
// CPU time that it took, those of all threads. Parsing the event does not count.

const process = require("node:process");
const { createInterface } = require("node:readline");
const handlers = require("./handlers.cjs");

const main = async (handler) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const event = JSON.parse(line);
    const before = process.cpuUsage();
    await handler(event);
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(`${user + system}\n`);
  }
};

main(handlers[process.argv[2]]);
