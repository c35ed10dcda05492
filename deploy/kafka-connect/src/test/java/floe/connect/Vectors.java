package floe.connect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.sink.SinkRecord;

/** The values that the tests of the server read too: what is canonical, and what is not. */
public final class Vectors {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  static final JsonNode ALL = read();

  private Vectors() {}

  private static JsonNode read() {
    try {
      return MAPPER.readTree(Vectors.class.getResource("/vectors.json"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static final class Type {
    /** As a column without a name. */
    public final ObjectNode type;

    public final List<String> canonical;
    final List<String> others;

    private Type(JsonNode node) {
      JsonNode given = node.get("type");
      type = given.isTextual() ? MAPPER.createObjectNode().put("type", given.asText()) : given.deepCopy();
      canonical = texts(node.get("canonical"));
      others = texts(node.get("accepted"));
      others.addAll(texts(node.get("refused")));
    }

    public String name() {
      return type.get("type").asText();
    }

    @Override
    public String toString() {
      return name();
    }
  }

  private static List<String> texts(JsonNode array) {
    List<String> texts = new ArrayList<>();
    array.forEach(text -> texts.add(text.asText()));
    return texts;
  }

  public static List<Type> types() {
    List<Type> types = new ArrayList<>();
    ALL.get("types").forEach(node -> types.add(new Type(node)));
    return types;
  }

  /** A struct {@code s}, a list {@code l} and a map {@code m} of the type, and the type itself as {@code c}, all optional. */
  public static RequireRecord<SinkRecord> nested(ObjectNode type) {
    ArrayNode columns = MAPPER.createArrayNode();
    columns.add(named("c", type));
    ObjectNode struct = columns.addObject().put("name", "s").put("type", "struct");
    struct.putArray("fields").add(named("c", type));
    columns.addObject().put("name", "l").put("type", "list").put("nullable", true).set("element", type);
    columns.addObject().put("name", "m").put("type", "map").put("nullable", true).set("value", type);
    return of(columns);
  }

  private static ObjectNode named(String name, ObjectNode type) {
    return ((ObjectNode) type.deepCopy()).put("name", name);
  }

  public static RequireRecord<SinkRecord> of(JsonNode columns) {
    RequireRecord<SinkRecord> transform = new RequireRecord<>();
    transform.configure(Map.of("columns", columns.toString()));
    return transform;
  }

  public static SinkRecord message(String value) {
    return new SinkRecord("readings", 3, null, "key", null, value.getBytes(StandardCharsets.UTF_8), 7);
  }
}
