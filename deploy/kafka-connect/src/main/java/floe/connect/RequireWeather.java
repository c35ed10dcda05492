package floe.connect;

import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Passes a record unchanged if its value is an object with exactly the string fields city, temperature and ts. Fails on
 * any other record, which therefore goes to the dead-letter topic. Connect's own Cast would turn 42 into "42" and accept
 * null and missing fields.
 */
public final class RequireWeather<R extends ConnectRecord<R>> implements Transformation<R> {
  private static final List<String> FIELDS = List.of("city", "temperature", "ts");
  private static final String EXPECTED = "a weather reading is an object with the string fields city, temperature and ts.";

  @Override
  public R apply(R record) {
    Object value = record.value();
    if (!(value instanceof Map)) {
      throw new DataException("The value is " + kindOf(value) + "; " + EXPECTED);
    }
    Map<?, ?> reading = (Map<?, ?>) value;
    for (String field : FIELDS) {
      if (!reading.containsKey(field)) {
        throw new DataException("The field " + field + " is missing; " + EXPECTED);
      }
      if (!(reading.get(field) instanceof String)) {
        throw new DataException("The field " + field + " is " + kindOf(reading.get(field)) + "; " + EXPECTED);
      }
    }
    if (reading.size() > FIELDS.size()) {
      throw new DataException("The value has " + reading.size() + " fields; " + EXPECTED);
    }
    return record;
  }

  private static String kindOf(Object value) {
    if (value == null) return "null";
    if (value instanceof String) return "a string";
    if (value instanceof Number) return "a number";
    if (value instanceof Boolean) return "a boolean";
    if (value instanceof List) return "an array";
    return value instanceof Map ? "an object" : "of the type " + value.getClass().getSimpleName();
  }

  @Override
  public ConfigDef config() {
    return new ConfigDef();
  }

  @Override
  public void configure(Map<String, ?> settings) {}

  @Override
  public void close() {}
}
