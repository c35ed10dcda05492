package floe.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

class RequireRecordTest {
  private final RequireRecord<SinkRecord> transform = Vectors.of(Vectors.ALL.get("columns"));

  private static String failure(RequireRecord<SinkRecord> transform, SinkRecord record) {
    return assertThrows(DataException.class, () -> transform.apply(record), () -> "passed: " + record.value())
        .getMessage();
  }

  @Test
  void passesCanonicalEventsAndNamesWhatIsWrongWithOthers() {
    for (JsonNode event : Vectors.ALL.get("events")) {
      SinkRecord message = Vectors.message(event.get("value").asText());
      if (event.has("fails")) assertEquals(event.get("fails").asText(), failure(transform, message));
      else assertTrue(transform.apply(message).value() instanceof Map, event.get("value").asText());
    }
  }

  @Test
  void passesNoOtherFormOfAnyType() {
    for (Vectors.Type type : Vectors.types()) {
      RequireRecord<SinkRecord> nested = Vectors.nested(type.type);
      for (String text : type.others) {
        for (String value : new String[] {"{\"c\":%s}", "{\"s\":{\"c\":%s}}", "{\"l\":[%s]}", "{\"m\":{\"k\":%s}}"}) {
          failure(nested, Vectors.message(String.format(value, text)));
        }
      }
    }
  }

  @Test
  void givesThePresentNamesAndNothingThatWasRemoved() {
    String id = "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c";
    String value =
        "{\"id\":\"" + id + "\",\"n\":42,\"probe\":\"a\",\"gone\":1,\"place\":{\"lat\":1.5,\"old\":2},\"holes\":[1,null]}";
    SinkRecord passed = transform.apply(Vectors.message(value));
    Map<?, ?> event = (Map<?, ?>) passed.value();
    assertEquals(Set.of("id", "n", "sensor", "place", "holes"), event.keySet());
    assertEquals(42L, event.get("n"));
    assertEquals("a", event.get("sensor"));
    assertEquals(Map.of("lat", 1.5), event.get("place"));
    assertEquals(Arrays.asList(1, null), event.get("holes"));
    assertNull(passed.valueSchema());
    assertEquals(List.of("readings", 3, "key", 7L), List.of(passed.topic(), passed.kafkaPartition(), passed.key(), passed.kafkaOffset()));
  }

  @Test
  void rejectsWhatIsNoText() {
    SinkRecord message = Vectors.message("{}");
    assertEquals("The value is null; an event is a JSON object.", failure(transform, withValue(message, null)));
    byte[] latin = "{\"sensor\":\"é\"}".getBytes(StandardCharsets.ISO_8859_1);
    assertEquals("The value is not valid UTF-8.", failure(transform, withValue(message, latin)));
    // A surrogate, an overlong slash, and an end in the middle of a character.
    for (int[] bytes : new int[][] {{0xed, 0xa0, 0x80}, {0xc0, 0xaf}, {0xf0, 0x9f, 0x98}}) {
      byte[] value = "{\"sensor\":\"   \"}".getBytes(StandardCharsets.UTF_8);
      for (int i = 0; i < bytes.length; i++) value[11 + i] = (byte) bytes[i];
      assertEquals("The value is not valid UTF-8.", failure(transform, withValue(message, value)));
    }
    assertEquals(
        "The value is no bytes; set value.converter to ByteArrayConverter.", failure(transform, withValue(message, Map.of())));
  }

  private static SinkRecord withValue(SinkRecord message, Object value) {
    return message.newRecord(message.topic(), 3, null, "key", null, value, null);
  }

  @Test
  void writesDoublesAsTheShortestOnes() {
    Random random = new Random(7);
    for (int i = 0; i < 20_000; i++) {
      // Bits of any double, and powers of two, below which doubles are twice as dense.
      double value = i < 2_000 ? Math.scalb(1.0, i - 1_074) : Double.longBitsToDouble(random.nextLong());
      if (!Double.isFinite(value)) continue;
      String text = Numbers.ecmaScript(value);
      assertEquals(value, Double.parseDouble(text), text);
      assertEquals(value, Numbers.doubleOf(text), text);
    }
  }

  @Test
  void rejectsAWrongSetting() {
    for (String columns : new String[] {"", "[", "{}", "[]", "[{}]", "[{\"name\":\"a\"}]", "[{\"name\":\"a\",\"type\":\"money\"}]", "[{\"name\":\"a\",\"type\":\"struct\"}]", "[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"a\",\"type\":\"int\"}]"}) {
      assertThrows(ConfigException.class, () -> new RequireRecord<SinkRecord>().configure(Map.of("columns", columns)), columns);
      List<String> errors = transform.config().validate(Map.of("columns", columns)).get(0).errorMessages();
      assertEquals(1, errors.size(), columns);
    }
    assertEquals(List.of(), transform.config().validate(Map.of("columns", Vectors.ALL.get("columns").toString())).get(0).errorMessages());
  }
}
