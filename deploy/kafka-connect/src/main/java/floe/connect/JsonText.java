package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashSet;
import java.util.Set;

/** The text of a json column: one JSON value without white space. Its numbers keep their digits, and its members their order. */
final class JsonText {
  /** Arrays and objects within each other, as at the door. */
  private static final int MAX_DEPTH = 32;

  private JsonText() {}

  /** The text itself; null if it is not canonical. */
  static String of(String text) {
    try (JsonParser json = Json.parser(text)) {
      StringBuilder canonical = new StringBuilder(text.length());
      json.nextToken();
      boolean isRead = write(json, canonical, 0) && json.nextToken() == null;
      return isRead && text.contentEquals(canonical) ? text : null;
    } catch (JsonProcessingException e) {
      return null;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean write(JsonParser json, StringBuilder out, int depth) throws IOException {
    JsonToken token = json.currentToken();
    if (token == JsonToken.START_OBJECT) return depth < MAX_DEPTH && object(json, out, depth + 1);
    if (token == JsonToken.START_ARRAY) return depth < MAX_DEPTH && array(json, out, depth + 1);
    if (token == null) return false;
    if (token != JsonToken.VALUE_STRING) {
      out.append(json.getText());
      return true;
    }
    return string(json.getText(), out);
  }

  private static boolean string(String value, StringBuilder out) {
    Json.quote(value, out);
    return Json.isWellFormed(value);
  }

  private static boolean array(JsonParser json, StringBuilder out, int depth) throws IOException {
    out.append('[');
    for (int i = 0; json.nextToken() != JsonToken.END_ARRAY; i++) {
      if (i > 0) out.append(',');
      if (!write(json, out, depth)) return false;
    }
    out.append(']');
    return true;
  }

  private static boolean object(JsonParser json, StringBuilder out, int depth) throws IOException {
    Set<String> names = new HashSet<>();
    out.append('{');
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String name = json.currentName();
      if (!names.isEmpty()) out.append(',');
      if (!names.add(name) || name.equals("__proto__") || !string(name, out)) return false;
      out.append(':');
      json.nextToken();
      if (!write(json, out, depth)) return false;
    }
    out.append('}');
    return true;
  }
}
