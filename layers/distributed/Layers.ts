/** The layers of the distributed profile: Kafka, Kafka Connect, an object store and Trino. */
import * as Connector from "../connect/Connector.ts"
import * as EventLog from "../kafka/EventLog.ts"
import * as EventLogReader from "../kafka/EventLogReader.ts"
import * as Topics from "../kafka/Topics.ts"
import * as Storage from "../s3/Storage.ts"
import * as Query from "../trino/Query.ts"

export const log = EventLog.layer

export const logReader = EventLogReader.layer

export const query = Query.layer

export const connector = Connector.layer

export const storage = Storage.layer

export const topics = Topics.layer
