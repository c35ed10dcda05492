import { eventLogContract } from "../log/eventLogContract.ts"
import { temporaryLog } from "./kafkaTopic.ts"

eventLogContract("EventLog on Kafka, one partition", temporaryLog(1))
eventLogContract("EventLog on Kafka, four partitions", temporaryLog(4))
