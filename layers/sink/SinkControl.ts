/**
 * Requests with which other programs steer the one sink that writes the table, and the sink's own status.
 * Owns: requests and their states, the sink's heartbeat. Does not own: the work itself (Requests), the lock.
 */
import { Array, Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { weather } from "../../services/TableReader.ts"
import { open } from "../runtime/ControlDatabase.ts"

/** The command that promotes the rebuilt table named in its argument. Stored in the control database, so it keeps the old word. */
export const promoteCommand = "swap"

/** The command that gives a stream's table the columns of the version in its argument. */
export const evolveCommand = "evolve"

/**
 * `pause` and `resume` a stream; `maintain` its table until nothing is left to do; promote a rebuilt table; or change the
 * table's columns.
 */
export const SinkCommand = Schema.Literals(["pause", "resume", "maintain", promoteCommand, evolveCommand])
export type SinkCommand = typeof SinkCommand.Type

export const SinkRequest = Schema.Struct({
  id: Schema.Int,
  command: SinkCommand,
  /** The stream that the command is for; absent for weather. */
  stream: Schema.optionalKey(Schema.String),
  argument: Schema.NullOr(Schema.String),
  state: Schema.Literals(["requested", "running", "done", "failed"]),
  /** Milliseconds since 1970; the next two are null until then. */
  requestedAt: Schema.Int,
  /** Advances while the sink works on the request. */
  heartbeatAt: Schema.NullOr(Schema.Int),
  finishedAt: Schema.NullOr(Schema.Int),
  /** A sentence: the result, or why the request failed. */
  outcome: Schema.NullOr(Schema.String)
})
export type SinkRequest = typeof SinkRequest.Type

export const SinkStatus = Schema.Struct({
  state: Schema.Literals(["running", "paused", "failed", "stopped"]),
  /** Milliseconds since 1970. */
  heartbeatAt: Schema.Int,
  processId: Schema.Int,
  /** Why the sink failed; null otherwise. */
  reason: Schema.NullOr(Schema.String)
})
export type SinkStatus = typeof SinkStatus.Type

/** A stream that the sink cannot write, or whose table it cannot maintain. */
export const StreamFailure = Schema.Struct({
  stream: Schema.String,
  /** Sentences: why, and what to do. */
  reason: Schema.String,
  /** Its events are still committed; only the files of its table cannot be merged. */
  isWritten: Schema.optionalKey(Schema.Literal(true))
})
export type StreamFailure = typeof StreamFailure.Type

export class ControlUnavailable extends Schema.TaggedError<ControlUnavailable>()("ControlUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The sink's control database is unavailable (${this.operation}): ${this.reason}.`
  }
}

const requestsKept = 1000

const unavailable = (operation: string) =>
  Effect.mapError(
    (cause: { readonly message: string }) => new ControlUnavailable({ operation, reason: cause.message, cause })
  )

const { stream: _, ...columns } = SinkRequest.fields
/** Another version of Floe may send commands that this one does not know. */
const AnyRequest = Schema.Struct({ ...columns, command: Schema.String })
const isCommand = Schema.is(SinkCommand)

/** A command for another stream than weather names it, so that a sink that knows no streams refuses it. */
const written = (command: SinkCommand, stream: string) => (stream === weather ? command : `${command}:${stream}`)

const decoded = (request: typeof AnyRequest.Type): Option.Option<SinkRequest> => {
  const [command = "", stream] = request.command.split(":")
  if (!isCommand(command)) return Option.none()
  return Option.some({ ...request, command, ...(stream === undefined ? {} : { stream }) })
}

const requestColumns = "id, command, argument, state, requestedAt, heartbeatAt, finishedAt, outcome"

export class SinkControl extends Context.Service<
  SinkControl,
  {
    /** Returns the request's id. The stream is weather by default. */
    readonly request: (
      command: SinkCommand,
      argument?: string,
      stream?: string
    ) => Effect.Effect<number, ControlUnavailable>
    readonly find: (id: number) => Effect.Effect<Option.Option<SinkRequest>, ControlUnavailable>
    /** The oldest unfinished request, including one that a crashed sink left running. */
    readonly next: Effect.Effect<Option.Option<SinkRequest>, ControlUnavailable>
    readonly mark: (
      id: number,
      state: "running" | "done" | "failed",
      outcome?: string
    ) => Effect.Effect<void, ControlUnavailable>
    /** The sink's last report; none if no sink ever ran here. */
    readonly status: Effect.Effect<Option.Option<SinkStatus>, ControlUnavailable>
    /** Whether weather should pause; survives restarts. */
    readonly paused: Effect.Effect<boolean, ControlUnavailable>
    /** The other streams that should pause. */
    readonly pausedStreams: Effect.Effect<ReadonlyArray<string>, ControlUnavailable>
    /** The stream is weather by default. */
    readonly setPaused: (paused: boolean, stream?: string) => Effect.Effect<void, ControlUnavailable>
    readonly report: (state: SinkStatus["state"], reason?: string) => Effect.Effect<void, ControlUnavailable>
    /** What the sink that reported last could not write. Means nothing once that sink has ended. */
    readonly failures: Effect.Effect<ReadonlyArray<StreamFailure>, ControlUnavailable>
    /** Replaces what the sink cannot write. */
    readonly setFailures: (failures: ReadonlyArray<StreamFailure>) => Effect.Effect<void, ControlUnavailable>
  }
>()("floe/layers/sink/SinkControl") {
  static readonly layer = Layer.effect(
    SinkControl,
    Effect.gen(function* () {
      const control = yield* open((yield* DataFolder).controlDatabase).pipe(unavailable("open"))

      const request = Effect.fn("SinkControl.request")(function* (
        command: SinkCommand,
        argument?: string,
        stream = weather
      ) {
        const now = yield* Clock.currentTimeMillis
        const { id } = yield* control.change(
          "INSERT INTO requests (command, argument, state, requestedAt) VALUES (?, ?, 'requested', ?)",
          written(command, stream),
          argument ?? null,
          now
        )
        yield* control.change("DELETE FROM requests WHERE finishedAt IS NOT NULL AND id <= ?", id - requestsKept)
        return id
      }, unavailable("request"))

      const find = Effect.fn("SinkControl.find")(
        (id: number) => control.rows(AnyRequest, `SELECT ${requestColumns} FROM requests WHERE id = ?`, id),
        Effect.map((rows) => Option.flatMap(Array.head(rows), decoded)),
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
          const request = decoded(oldest)
          if (Option.isSome(request)) return request
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

      /** A database that an older version made and that can only be read lacks the table. */
      const rowsIn = <A>(table: string, schema: Schema.Codec<A, unknown>, sql: string) =>
        control
          .rows(Schema.Struct({ name: Schema.String }), "SELECT name FROM sqlite_schema WHERE name = ?", table)
          .pipe(Effect.flatMap((tables) => (tables.length === 0 ? Effect.succeed([]) : control.rows(schema, sql))))

      const pausedStreams = rowsIn(
        "paused_streams",
        Schema.Struct({ stream: Schema.String }),
        "SELECT stream FROM paused_streams"
      ).pipe(
        Effect.map((rows) => rows.map(({ stream }) => stream)),
        unavailable("pausedStreams")
      )

      const failuresIn = (table: string) =>
        rowsIn(table, StreamFailure, `SELECT stream, reason FROM ${table} ORDER BY stream`)

      const failures = Effect.zipWith(
        failuresIn("failed_streams"),
        failuresIn("unmaintained_streams"),
        (failed, unmaintained): ReadonlyArray<StreamFailure> => [
          ...failed,
          ...unmaintained.map((failure) => ({ ...failure, isWritten: true as const }))
        ]
      ).pipe(unavailable("failures"))

      const replaceFailures = Effect.fnUntraced(function* (table: string, failures: ReadonlyArray<StreamFailure>) {
        yield* control.change(
          `DELETE FROM ${table} WHERE stream NOT IN (SELECT value FROM json_each(?))`,
          JSON.stringify(failures.map(({ stream }) => stream))
        )
        for (const { reason, stream } of failures) {
          yield* control.change(
            `INSERT INTO ${table} VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET reason = excluded.reason`,
            stream,
            reason
          )
        }
      })

      const setFailures = Effect.fn("SinkControl.setFailures")(function* (failures: ReadonlyArray<StreamFailure>) {
        const isMaintenance = ({ isWritten }: StreamFailure) => isWritten === true
        yield* replaceFailures(
          "failed_streams",
          failures.filter((failure) => !isMaintenance(failure))
        )
        yield* replaceFailures("unmaintained_streams", failures.filter(isMaintenance))
      }, unavailable("setFailures"))

      const setPaused = Effect.fn("SinkControl.setPaused")(function* (paused: boolean, stream = weather) {
        const now = yield* Clock.currentTimeMillis
        if (stream !== weather) {
          yield* paused
            ? control.change("INSERT INTO paused_streams VALUES (?, ?) ON CONFLICT DO NOTHING", stream, now)
            : control.change("DELETE FROM paused_streams WHERE stream = ?", stream)
        } else if (paused) {
          yield* control.change("INSERT INTO pause (id, since) VALUES (1, ?) ON CONFLICT DO NOTHING", now)
        } else yield* control.change("DELETE FROM pause")
      }, unavailable("setPaused"))

      return SinkControl.of({
        request,
        find,
        next,
        mark,
        status,
        paused,
        pausedStreams,
        setPaused,
        report,
        failures,
        setFailures
      })
    })
  )
}
