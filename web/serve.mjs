// `node serve.mjs FOLDER [PORT]`: serves a folder on this machine's own address, compressed where the browser takes it.

import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const TYPES = {
  ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json",
  ".svg": "image/svg+xml", ".wasm": "application/wasm",
};

/** Serves `folder` on a port, 0 for any that is free; resolves to `{ address, close }`. */
export function serve(folder, port = 0) {
  const root = resolve(folder);
  const compressed = new Map();
  const answer = async (request, response) => {
    let path;
    try {
      path = normalize(join(root, decodeURIComponent(new URL(request.url, "http://localhost").pathname)));
    } catch {
      response.writeHead(400).end();
      return;
    }
    if (path.endsWith(sep)) path = join(path, "index.html");
    if (!["GET", "HEAD"].includes(request.method) || !path.startsWith(root + sep)) {
      response.writeHead(request.method === "GET" ? 404 : 405).end();
      return;
    }
    try {
      const { mtimeMs } = await stat(path);
      let body = await readFile(path);
      const head = { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "cache-control": "no-cache" };
      if (/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) {
        const known = compressed.get(path);
        if (known?.mtimeMs !== mtimeMs) compressed.set(path, { mtimeMs, body: gzipSync(body) });
        body = compressed.get(path).body;
        head["content-encoding"] = "gzip";
      }
      response.writeHead(200, { ...head, "content-length": body.length });
      response.end(request.method === "HEAD" ? undefined : body);
    } catch {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    }
  };
  const server = createServer(answer);
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", () => {
      const address = `http://127.0.0.1:${server.address().port}/`;
      done({ address, close: () => new Promise((end) => (server.closeAllConnections(), server.close(end))) });
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, port = "0"] = process.argv.slice(2);
  if (!folder || !/^\d+$/.test(port)) {
    console.error("usage: node serve.mjs FOLDER [PORT]");
    process.exit(2);
  }
  try {
    const { address } = await serve(folder, Number(port));
    console.log(`serving ${folder} at ${address}  (Ctrl-C ends it)`);
  } catch (error) {
    console.error(`port ${port}: ${error.message}`);
    process.exit(1);
  }
}
