// Asks a question and shows the answer as it is written. Nothing is generated: the protos are read at the start.
"use strict";

const path = require("node:path");

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const PROTOS = process.env.KLADEZ_PROTOS || path.join(__dirname, "..", "..", "protos");
// Longer than the service's own limit, so that the service says how the call ended.
const DEADLINE_SECONDS = 125;

const definition = loader.loadSync("kladez/v1/answer_service.proto", { includeDirs: [PROTOS], oneofs: true });
const { AnswerService } = grpc.loadPackageDefinition(definition).kladez.v1;

// With TLS: grpc.credentials.createSsl().
const client = new AnswerService(process.env.KLADEZ_ADDRESS, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${process.env.KLADEZ_KEY}`);

const question = process.argv.slice(2).join(" ") || "What do you sell?";
const call = client.StreamAnswer({ question }, metadata, { deadline: Date.now() + DEADLINE_SECONDS * 1000 });

call.on("data", (event) => {
  if (event.event === "delta") process.stdout.write(event.delta.text);
});
call.on("end", () => {
  process.stdout.write("\n");
  client.close();
});
call.on("error", (error) => {
  console.error(grpc.status[error.code], error.details);
  client.close();
  process.exitCode = 1;
});
