// Listens at a free port of ADDRESS for the process that started it, which gets the socket:
//     node listen.ts ADDRESS
import { createServer } from "node:net";
import process from "node:process";

const server = createServer();
server.listen(0, process.argv[2], () => process.send!("listening", server));
process.once("disconnect", () => process.exit(0));
