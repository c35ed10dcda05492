import { Array, Clock, Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { ControlUnavailable, SinkCommand, SinkControl, SinkRequest, SinkStatus } from "../../services/SinkControl.ts"
import { open } from "../runtime/ControlDatabase.ts"

/** Finished requests beyond the newest 1,000 are forgotten. */
const requestsKept = 1000

const unavailable = (operation: string) =>
  Effect.mapError((cause: Error) => new ControlUnavailable({ operation, reason: cause.message, cause }))

/** Another version of Floe may ask for what this one does not know. */
const AnyRequest = Schema.Struct({ ...SinkRequest.fields, command: Schema.String })
const isCommand = Schema.is(SinkCommand)

const requestColumns = "id, command, argument, state, requestedAt, heartbeatAt, finishedAt, outcome"

export const layer = Layer.effect(
  SinkControl,
  Effect.gen(function* () {
    const control = yield* open((yield* DataFolder).control).pipe(unavailable("open"))

    const request = Effect.fn("SinkControl.request")(function* (command: SinkRequest["command"], argument?: string) {
      const now = yield* Clock.currentTimeMillis
      const { id } = yield* control.change(
        "INSERT INTO requests (command, argument, state, requestedAt) VALUES (?, ?, 'requested', ?)",
        command,
        argument ?? null,
        now
      )
      yield* control.change("DELETE FROM requests WHERE finishedAt IS NOT NULL AND id <= ?", id - requestsKept)
      return id
    }, unavailable("request"))

    const find = Effect.fn("SinkControl.find")(
      (id: number) => control.rows(SinkRequest, `SELECT ${requestColumns} FROM requests WHERE id = ?`, id),
      Effect.map(Array.head),
      unavailable("find")
    )

    const mark = Effect.fn("SinkControl.mark")(function* (
      id: number,
      state: "running" | "done" | "failed",
      outcome?: string
    ) {
      const now = yield* Clock.currentTimeMillis
      yield* control.change(
        "UPDATE requests SET state = ?, heartbeatAt = ?, finishedAt = ?, outcome = ? WHERE id = ?",
        state,
        now,
        state === "running" ? null : now,
        outcome ?? null,
        id
      )
    }, unavailable("mark"))

    const next = Effect.gen(function* () {
      for (;;) {
        const [oldest] = yield* control
          .rows(AnyRequest, `SELECT ${requestColumns} FROM requests WHERE finishedAt IS NULL ORDER BY id LIMIT 1`)
          .pipe(unavailable("next"))
        if (oldest === undefined) return Option.none()
        const { id, command } = oldest
        if (isCommand(command)) return Option.some({ ...oldest, command })
        yield* mark(id, "failed", `This version of the sink has no command ${command}.`)
      }
    })

    const status = control
      .rows(SinkStatus, "SELECT state, heartbeatAt, processId, reason FROM status")
      .pipe(Effect.map(Array.head), unavailable("status"))

    const report = Effect.fn("SinkControl.report")(function* (state: SinkStatus["state"], reason?: string) {
      yield* control.change(
        `INSERT INTO status (id, state, heartbeatAt, processId, reason) VALUES (1, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, heartbeatAt = excluded.heartbeatAt,
           processId = excluded.processId, reason = excluded.reason`,
        state,
        yield* Clock.currentTimeMillis,
        process.pid,
        reason ?? null
      )
    }, unavailable("report"))

    const paused = control
      .rows(Schema.Struct({ since: Schema.Int }), "SELECT since FROM pause")
      .pipe(Effect.map(Array.isReadonlyArrayNonEmpty), unavailable("paused"))

    const setPaused = Effect.fn("SinkControl.setPaused")(function* (paused: boolean) {
      if (paused) {
        const now = yield* Clock.currentTimeMillis
        yield* control.change("INSERT INTO pause (id, since) VALUES (1, ?) ON CONFLICT DO NOTHING", now)
      } else yield* control.change("DELETE FROM pause")
    }, unavailable("setPaused"))

    return SinkControl.of({ request, find, next, mark, status, paused, setPaused, report })
  })
)
