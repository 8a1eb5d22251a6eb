// The tutorial's upload service: keeps what is posted to it below /mnt/efs, an EFS volume.
import fs from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import express from "express";
import multer from "multer";

const port = 3000;
const uploads = "/mnt/efs/uploads";

await fs.mkdir(uploads, { recursive: true });

const upload = multer({
  storage: multer.diskStorage({
    destination: uploads,
    filename: (_request, file, done) =>
      done(null, `${file.fieldname}-${Date.now()}${path.extname(file.originalname)}`),
  }),
});

const app = express();

app.post("/upload", upload.single("myFile"), (request, response) => {
  if (!request.file) {
    response.status(400).send('Send one file in the form field "myFile".');
    return;
  }
  console.log(`File uploaded to: ${request.file.path}`);
  response.send(`File uploaded successfully to ${request.file.path}`);
});

app.get("/files", async (_request, response) => {
  response.json(await fs.readdir(uploads));
});

app.get("/files/:name", (request, response) => {
  response.sendFile(request.params.name, { root: uploads });
});

// Express answers 404 for a file that isn't there, and 500 with this line for anything else.
app.use((error, _request, response, _next) => {
  if (error.status !== 404) console.error(`Request failed: ${error.message}`);
  response.status(error.status ?? 500).send(error.message);
});

const server = app.listen(port, () => {
  console.log(`App listening at http://localhost:${port}`);
  console.log(`EFS mount point: ${uploads}`);
});

process.on("SIGTERM", () => server.close(() => process.exit(0)));
