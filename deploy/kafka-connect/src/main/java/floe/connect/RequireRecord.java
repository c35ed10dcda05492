package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Passes a record whose value is a canonical event of a stream, as a map of Java values that the Iceberg sink writes exactly.
 * Fails on any other record, which therefore goes to the dead-letter topic. It takes the bytes (ByteArrayConverter) and reads
 * them itself: JsonConverter would lose doubled names, wrap integers, and ignore what follows the first value.
 */
public final class RequireRecord<R extends ConnectRecord<R>> implements Transformation<R> {
  private static final String COLUMNS = "columns";
  private static final ConfigDef CONFIG =
      new ConfigDef()
          .define(
              COLUMNS,
              ConfigDef.Type.STRING,
              ConfigDef.NO_DEFAULT_VALUE,
              (name, value) -> columnsOf(name, value),
              ConfigDef.Importance.HIGH,
              "The columns of the stream as JSON, as floe connector register writes them");

  private StructType columns;

  @Override
  public void configure(Map<String, ?> settings) {
    columns = columnsOf(COLUMNS, settings.get(COLUMNS));
  }

  private static StructType columnsOf(String name, Object value) {
    try {
      return Columns.parse(String.valueOf(value));
    } catch (IllegalArgumentException e) {
      throw new ConfigException(name, "", e.getMessage());
    }
  }

  @Override
  public R apply(R record) {
    Object event = read(record.value());
    return record.newRecord(
        record.topic(), record.kafkaPartition(), record.keySchema(), record.key(), null, event, record.timestamp());
  }

  private Object read(Object value) {
    if (value == null) {
      throw new DataException("The value is null; an event is a JSON object.");
    }
    if (!(value instanceof byte[])) {
      throw new DataException("The value is no bytes; set value.converter to ByteArrayConverter.");
    }
    String text = textOf((byte[]) value);
    try (JsonParser json = Json.parser(text)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new DataException("The value is not a JSON object.");
      }
      Object event = columns.read(json, Path.ROOT);
      if (json.nextToken() != null) {
        throw new DataException("The value has more than one JSON object.");
      }
      return event;
    } catch (JsonProcessingException e) {
      throw new DataException("The value is not valid JSON.");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String textOf(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new DataException("The value is not valid UTF-8.");
    }
  }

  @Override
  public ConfigDef config() {
    return CONFIG;
  }

  @Override
  public void close() {}
}
