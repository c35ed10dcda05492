package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;

final class MapType implements ColumnType {
  private final ColumnType value;
  private final boolean nullable;

  MapType(ColumnType value, boolean nullable) {
    this.value = value;
    this.nullable = nullable;
  }

  @Override
  public Object read(JsonParser json, Path path) throws IOException {
    if (json.currentToken() != JsonToken.START_OBJECT) throw path.fails("must be an object");
    Map<String, Object> entries = new LinkedHashMap<>();
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String key = json.currentName();
      Path at = path.field(key);
      if (!Json.isWellFormed(key)) throw path.fails("has a key that is not well-formed Unicode (it holds a lone surrogate)");
      if (key.equals("__proto__")) throw at.fails("has a name that no field may have");
      if (entries.containsKey(key)) throw at.fails("is given twice");
      json.nextToken();
      entries.put(key, ColumnType.orNull(value, nullable, json, at));
    }
    return entries;
  }
}
