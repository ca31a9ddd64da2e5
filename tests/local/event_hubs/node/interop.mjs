// Sends with a producer and reads back with a consumer; prints what it saw as one line of JSON.
import { createRequire } from "node:module";

const [modules, connectionString] = process.argv.slice(2);
const { EventHubProducerClient, EventHubConsumerClient, earliestEventPosition } = createRequire(`${modules}/`)(
  "@azure/event-hubs",
);
const options = { retryOptions: { maxRetries: 0, timeoutInMs: 20000 } };

const producer = new EventHubProducerClient(connectionString, options);
const hub = await producer.getEventHubProperties();
const full = await producer.createBatch({ partitionId: "1" });
let count = 0;
while (full.tryAdd({ body: { number: count, text: "x".repeat(400) }, properties: { Table: "receipt_created" } })) count += 1;
await producer.sendBatch(full);
await producer.sendBatch([{ body: "keyed" }], { partitionKey: "store_42" });
const one = await producer.getPartitionProperties("1");
await producer.close();

const consumer = new EventHubConsumerClient("readers", connectionString, options);
const events = [];
await new Promise((resolve, reject) => {
  const subscription = consumer.subscribe(
    {
      async processEvents(received, context) {
        for (const event of received) events.push({ ...event, partition: context.partitionId });
        if (events.length === count + 1) {
          await subscription.close();
          resolve();
        }
      },
      async processError(error) {
        reject(error);
      },
    },
    { startPosition: earliestEventPosition, maxBatchSize: 500, maxWaitTimeInSeconds: 1 },
  );
});
await consumer.close();

const batch = events.filter((event) => event.partition === "1" && event.partitionKey === undefined);
const keyed = events.find((event) => event.body === "keyed");
console.log(
  JSON.stringify({
    partitionIds: hub.partitionIds,
    count,
    lastSequence: Number(one.lastEnqueuedSequenceNumber),
    inOrder: batch.every((event, index) => event.body.number === index),
    batch: batch.length,
    properties: batch[0].properties,
    offsets: new Set(batch.map((event) => event.offset)).size,
    enqueued: batch[0].enqueuedTimeUtc instanceof Date,
    key: keyed.partitionKey,
    keyPartition: keyed.partition,
  }),
);
