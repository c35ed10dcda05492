package floe.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

class RequireWeatherTest {
  private static final String EXPECTED = "; a weather reading is an object with the string fields city, temperature and ts.";
  private final RequireWeather<SinkRecord> transform = new RequireWeather<>();

  private static SinkRecord record(Object value) {
    return new SinkRecord("weather", 0, null, null, null, value, 7);
  }

  private static Map<String, Object> reading(String field, Object value) {
    Map<String, Object> reading = new HashMap<>(Map.of("city", "Oslo", "temperature", "40.10", "ts", "2026-01-08-14"));
    reading.put(field, value);
    return reading;
  }

  private void rejects(String reason, Object value) {
    DataException failure = assertThrows(DataException.class, () -> transform.apply(record(value)));
    assertEquals(reason + EXPECTED, failure.getMessage());
  }

  @Test
  void passesAReadingUnchanged() {
    SinkRecord record = record(reading("city", ""));
    assertSame(record, transform.apply(record));
  }

  @Test
  void rejectsWhatIsNotAnObject() {
    rejects("The value is null", null);
    rejects("The value is a number", 42L);
    rejects("The value is a string", "Oslo");
    rejects("The value is a boolean", true);
    rejects("The value is an array", List.of(reading("city", "Oslo")));
  }

  @Test
  void rejectsAnotherShape() {
    rejects("The field city is a number", reading("city", 42L));
    rejects("The field city is an object", reading("city", Map.of("a", 1L)));
    rejects("The field temperature is null", reading("temperature", null));
    rejects("The field temperature is a number", reading("temperature", 40.1));
    rejects("The value has 4 fields", reading("humidity", "12"));
    rejects("The value has 4 fields", reading("humidity", null));
    rejects("The field ts is missing", Map.of("city", "Oslo", "temperature", "40.10"));
    rejects("The field ts is missing", Map.of("city", "Oslo", "temperature", "40.10", "Ts", "2026-01-08-14"));
    rejects("The field city is missing", Map.of());
  }
}
