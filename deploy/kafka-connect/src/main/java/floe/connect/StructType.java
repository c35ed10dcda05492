package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An event, or a struct in it: a map with the columns' present names. */
final class StructType implements ColumnType {
  static final class Field {
    final String name;
    final boolean required;
    /** The column was removed: earlier events have its value, which is checked and left out. */
    final boolean retired;
    final ColumnType type;

    Field(String name, boolean required, boolean retired, ColumnType type) {
      this.name = name;
      this.required = required;
      this.retired = retired;
      this.type = type;
    }
  }

  private final Map<String, Field> byName = new HashMap<>();
  private final List<Field> required = new ArrayList<>();

  /** {@code names} are the present name and those that the column had before. */
  void add(Field field, List<String> names) {
    if (field.required) required.add(field);
    for (String name : names) {
      if (byName.put(name, field) != null) throw new IllegalArgumentException("two columns are named " + name);
    }
  }

  @Override
  public Object read(JsonParser json, Path path) throws IOException {
    if (json.currentToken() != JsonToken.START_OBJECT) throw path.fails("must be an object");
    Map<String, Object> values = new LinkedHashMap<>();
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String name = json.currentName();
      Path at = path.field(name);
      Field field = byName.get(name);
      if (field == null) throw at.fails("is not a known field");
      if (json.nextToken() == JsonToken.VALUE_NULL) throw at.fails("must not be null; leave it out");
      if (values.containsKey(field.name)) throw at.fails("is given twice");
      values.put(field.name, field.type.read(json, at));
    }
    for (Field field : required) {
      if (!values.containsKey(field.name)) throw path.field(field.name).fails("is required");
    }
    values.keySet().removeIf(name -> byName.get(name).retired);
    return values;
  }
}
