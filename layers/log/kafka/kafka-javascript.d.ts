/** The part of the native Kafka client that is used here. The client is optional, so its own types may be missing. */
declare module "@confluentinc/kafka-javascript" {
  export interface KafkaError {
    readonly message: string
    readonly code: number
  }

  type Answer<A> = (error: KafkaError | null | undefined, value: A) => void

  export type Header = Readonly<Record<string, Buffer | string>>

  export interface Message {
    readonly partition: number
    readonly offset: number
    readonly value: Buffer | null
    readonly key: Buffer | null
    readonly timestamp?: number
    readonly headers?: ReadonlyArray<Header>
  }

  export interface DeliveryReport<Opaque> {
    readonly topic: string
    readonly partition: number
    readonly offset: number
    /** What was given to `produce`. */
    readonly opaque: Opaque
  }

  export type ClientConfig = Readonly<Record<string, string | number | boolean | (() => void)>>

  export interface Client {
    /** Errors of connections have a text and no code. */
    on(event: "event.error", listener: (error: KafkaError) => void): this
    on(event: "event.log", listener: (line: { readonly fac: string; readonly message: string }) => void): this
  }

  export interface Producer<Opaque> extends Client {
    on(event: "event.error", listener: (error: KafkaError) => void): this
    on(event: "event.log", listener: (line: { readonly fac: string; readonly message: string }) => void): this
    on(event: "delivery-report", listener: (error: KafkaError | null, report: DeliveryReport<Opaque>) => void): this
    connect(options: { readonly timeout: number }, answer: Answer<unknown>): this
    setPollInBackground(set: boolean): this
    /** Throws a KafkaError; the message is not accepted then. */
    produce(
      topic: string,
      partition: number | null,
      value: Buffer | null,
      key: Buffer | string | null,
      timestamp: number,
      opaque: Opaque,
      headers?: ReadonlyArray<Header>
    ): void
    initTransactions(millis: number, answer: Answer<void>): void
    beginTransaction(answer: Answer<void>): void
    commitTransaction(millis: number, answer: Answer<void>): void
    abortTransaction(millis: number, answer: Answer<void>): void
    /** Flushes for so many milliseconds first, and does not report the outcome. */
    disconnect(millis: number, answer: Answer<unknown>): this
  }

  export interface KafkaConsumer extends Client {
    on(event: "event.error", listener: (error: KafkaError) => void): this
    on(event: "event.log", listener: (line: { readonly fac: string; readonly message: string }) => void): this
    on(event: "partition.eof", listener: (end: { readonly partition: number; readonly offset: number }) => void): this
    connect(options: { readonly timeout: number }, answer: Answer<unknown>): this
    setDefaultConsumeTimeout(millis: number): void
    assign(
      partitions: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>
    ): this
    unassign(): this
    /** Without an offset where the group has none. */
    committed(
      partitions: ReadonlyArray<{ readonly topic: string; readonly partition: number }>,
      millis: number,
      answer: Answer<ReadonlyArray<{ readonly partition: number; readonly offset?: number }>>
    ): this
    /** Throws a KafkaError. */
    commitSync(
      partitions: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>
    ): this
    consume(count: number, answer: Answer<ReadonlyArray<Message>>): void
    disconnect(answer: Answer<unknown>): this
  }

  export interface OffsetSpec {
    readonly timestamp: number
  }

  export interface TopicDescription {
    readonly name: string
    readonly topicId?: { readonly base64: string }
    readonly error?: KafkaError
    readonly partitions: ReadonlyArray<{
      readonly partition: number
      readonly leader?: { readonly id: number }
      readonly replicas: ReadonlyArray<unknown>
    }>
  }

  export interface PartitionOffset {
    readonly partition: number
    readonly offset: number
    readonly error?: KafkaError
  }

  export interface NewTopic {
    readonly topic: string
    readonly num_partitions: number
    readonly replication_factor: number
    readonly config: Readonly<Record<string, string>>
  }

  export interface AdminClient {
    createTopic(topic: NewTopic, millis: number, answer: Answer<void>): void
    deleteTopic(topic: string, millis: number, answer: Answer<void>): void
    createPartitions(topic: string, total: number, millis: number, answer: Answer<void>): void
    deleteRecords(
      before: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: number }>,
      options: { readonly timeout: number },
      answer: Answer<unknown>
    ): void
    describeTopics(
      topics: ReadonlyArray<string>,
      options: { readonly timeout: number },
      answer: Answer<ReadonlyArray<TopicDescription>>
    ): void
    listTopics(options: { readonly timeout: number }, answer: Answer<ReadonlyArray<string>>): void
    listOffsets(
      partitions: ReadonlyArray<{ readonly topic: string; readonly partition: number; readonly offset: OffsetSpec }>,
      options: { readonly timeout: number; readonly isolationLevel: number },
      answer: Answer<ReadonlyArray<PartitionOffset>>
    ): void
    disconnect(): void
  }

  export interface Kafka {
    readonly Producer: new <Opaque>(config: ClientConfig) => Producer<Opaque>
    readonly KafkaConsumer: new (config: ClientConfig) => KafkaConsumer
    readonly AdminClient: {
      readonly create: (
        config: ClientConfig,
        listeners: { readonly "event.log": (line: { readonly fac: string; readonly message: string }) => void }
      ) => AdminClient
    }
    readonly OffsetSpec: {
      new (timestamp: number): OffsetSpec
      readonly EARLIEST: OffsetSpec
      readonly LATEST: OffsetSpec
    }
  }

  /** Another interface of the client, which a bench compares with. */
  export const KafkaJS: {
    readonly Kafka: new (
      config: object
    ) => {
      producer(config: object): {
        connect(): Promise<void>
        send(batch: {
          readonly topic: string
          readonly messages: ReadonlyArray<{ readonly value: string; readonly key?: string }>
        }): Promise<unknown>
        disconnect(): Promise<void>
      }
    }
    readonly logLevel: { readonly NOTHING: number }
  }

  const kafka: Kafka
  export default kafka
}
