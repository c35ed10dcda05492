import { Layer } from "effect"
import * as EventLog from "../../layers/log/sqlite/EventLog.ts"
import * as Streams from "../../layers/log/sqlite/Streams.ts"
import { temporary } from "../support/dataFolder.ts"
import { streamsContract } from "./streamsContract.ts"

streamsContract("Streams on SQLite", Layer.merge(Streams.layer, EventLog.layer).pipe(Layer.provide(temporary)))
