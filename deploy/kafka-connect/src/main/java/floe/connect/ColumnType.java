package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** Reads the values of a column. */
interface ColumnType {
  /** The value at the parser's current token, which is not null; moves to its last token. Fails unless it is canonical. */
  Object read(JsonParser json, Path path) throws IOException;

  /** An element of a list or a value of a map. */
  static Object orNull(ColumnType type, boolean nullable, JsonParser json, Path path) throws IOException {
    if (json.currentToken() != JsonToken.VALUE_NULL) return type.read(json, path);
    if (nullable) return null;
    throw path.fails("must not be null");
  }
}
