// The server that Floe is compared with: Benthos' http_server input, and a kafka_franz output that writes with franz-go
// as Bento's and Redpanda Connect's do. A request is answered once all in-sync replicas have its record.
//
//	peer <port> <broker> <topic> [max_in_flight] [batch] [period] [linger] [compression]
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

const config = `
http: { enabled: false }
logger: { level: ERROR }
metrics: { none: {} }
input:
  http_server: { address: 127.0.0.1:%s, path: /log, allowed_verbs: [ GET ] }
pipeline:
  processors:
    - mapping: |
        root.status = "success"
        root.message = "Weather data logged"
        root.data = { "city": meta("city"), "temperature": meta("temperature"), "ts": now().ts_format("2006-01-02-15", "UTC") }
    - sync_response: {}
    - mapping: root = this.data
output:
  franz: { max_in_flight: %s, batching: { count: %s, period: "%s" } }
`

func argument(n int, otherwise string) string {
	if len(os.Args) > n {
		return os.Args[n]
	}
	return otherwise
}

type writer struct{ client *kgo.Client }

func (w *writer) Connect(context.Context) error { return nil }

func (w *writer) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	var reported sync.WaitGroup
	var failed error
	var lock sync.Mutex
	reported.Add(len(batch))
	for _, message := range batch {
		value, err := message.AsBytes()
		if err != nil {
			return err
		}
		w.client.Produce(ctx, &kgo.Record{Topic: argument(3, "weather"), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				lock.Lock()
				failed = err
				lock.Unlock()
			}
			reported.Done()
		})
	}
	reported.Wait()
	return failed
}

func (w *writer) Close(context.Context) error {
	w.client.Close()
	return nil
}

func connect() (*kgo.Client, error) {
	linger, err := time.ParseDuration(argument(7, "0s"))
	if err != nil {
		return nil, err
	}
	compression := kgo.NoCompression()
	if argument(8, "none") == "snappy" {
		compression = kgo.SnappyCompression()
	}
	// franz-go's producer is idempotent, with 5 requests in flight for each broker, unless told otherwise.
	return kgo.NewClient(
		kgo.SeedBrokers(argument(2, "localhost:9092")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchCompression(compression),
		kgo.ProducerBatchMaxBytes(1_000_000),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	)
}

func run() error {
	err := service.RegisterBatchOutput("franz",
		service.NewConfigSpec().Fields(service.NewOutputMaxInFlightField(), service.NewBatchPolicyField("batching")),
		func(conf *service.ParsedConfig, _ *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			policy, err := conf.FieldBatchPolicy("batching")
			if err != nil {
				return nil, policy, 0, err
			}
			maxInFlight, err := conf.FieldMaxInFlight()
			if err != nil {
				return nil, policy, 0, err
			}
			client, err := connect()
			return &writer{client}, policy, maxInFlight, err
		})
	if err != nil {
		return err
	}
	builder := service.NewStreamBuilder()
	yaml := fmt.Sprintf(config, argument(1, "4195"), argument(4, "512"), argument(5, "0"), argument(6, ""))
	if err := builder.SetYAML(yaml); err != nil {
		return err
	}
	stream, err := builder.Build()
	if err != nil {
		return err
	}
	return stream.Run(context.Background())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
