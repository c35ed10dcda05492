package floe.connect;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;

/** Reads the setting: an array of columns. */
final class Columns {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private Columns() {}

  /** Throws an IllegalArgumentException with a sentence. */
  static StructType parse(String setting) {
    JsonNode columns;
    try {
      columns = MAPPER.readTree(setting);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("it is not valid JSON.", e);
    }
    return struct(columns, "it");
  }

  private static StructType struct(JsonNode fields, String what) {
    if (fields == null || !fields.isArray() || fields.isEmpty()) {
      throw new IllegalArgumentException(what + " must be an array of columns.");
    }
    StructType struct = new StructType();
    for (JsonNode field : fields) {
      String name = field.path("name").asText();
      if (name.isEmpty()) throw new IllegalArgumentException("a column has no name.");
      List<String> names = new ArrayList<>(List.of(name));
      names.addAll(texts(field.path("earlierNames")));
      boolean retired = field.path("retired").asBoolean();
      struct.add(new StructType.Field(name, field.path("required").asBoolean(), retired, type(field, name)), names);
    }
    return struct;
  }

  private static ColumnType type(JsonNode node, String what) {
    String type = node.path("type").asText();
    boolean nullable = node.path("nullable").asBoolean();
    switch (type) {
      case "struct":
        return struct(node.get("fields"), what);
      case "list":
        return new ListType(type(node.path("element"), what), nullable);
      case "map":
        return new MapType(type(node.path("value"), what), nullable);
      default:
        return primitive(type, texts(node.path("earlierTypes")), what);
    }
  }

  private static ColumnType primitive(String type, List<String> earlier, String what) {
    Primitive primitive = Primitive.of(type);
    if (primitive == null) throw new IllegalArgumentException(what + " has the type " + type + ", which is unknown.");
    // Wider floats and decimals have the canonical form of the narrower ones; an int is a number, and a long a string.
    return type.equals("long") && earlier.contains("int") ? Primitive.LONG_THAT_WAS_INT : primitive;
  }

  private static List<String> texts(JsonNode array) {
    List<String> texts = new ArrayList<>();
    array.forEach(text -> texts.add(text.asText()));
    return texts;
  }
}
