// The parity suite and the benchmarks.

export async function parity({ engine, options, inbox, send }) {
  send({ type: "ops", ops: engine.Parity.ops() });
  send({ type: "stage", text: "Opening the GPU" });
  const job = await engine.Parity.open(options);
  send({ type: "opened", device: job.device() });
  let cancelled = false;
  for (let done = 0; done < job.count && !cancelled; done++) {
    const row = await job.next();
    send({ type: "progress", done: done + 1, count: job.count, ...row });
    if (row.failure) send({ type: "failure", text: row.failure });
    await inbox.breathe();
    cancelled = inbox.take().some((message) => message.type === "cancel");
  }
  send({ type: "finished", ...job.finish() });
}

const bench = (kind) => async ({ engine, options, inbox, send }) => {
  send({ type: "stage", text: "Opening the GPU" });
  const job = await engine.Bench.open(kind, options);
  send({ type: "opened", device: job.device() });
  let cancelled = false;
  for (let done = 0; done < job.count && !cancelled; done++) {
    send({ type: "progress", done, count: job.count, what: job.following() });
    send({ type: "row", ...(await job.next()) });
    send({ type: "progress", done: done + 1, count: job.count, what: "" });
    await inbox.breathe();
    cancelled = inbox.take().some((message) => message.type === "cancel");
  }
  send({ type: "finished", ...job.finish() });
};

export const peaks = bench("peaks");
export const smoke = bench("smoke");
