package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A type of one value, and the canonical JSON value of each. */
final class Primitive implements ColumnType {
  private static final Pattern DECIMAL = Pattern.compile("decimal\\((\\d+), ?(\\d+)\\)");

  private static final Primitive INT =
      ofNumber("must be an integer from -2147483648 to 2147483647, as a JSON number in plain digits", Numbers::intOf);
  private static final Primitive LONG =
      ofString("must be a string that holds a 64-bit integer in plain digits, for example \"42\"", Numbers::longOf);
  static final ColumnType LONG_THAT_WAS_INT =
      (json, path) ->
          json.currentToken() == JsonToken.VALUE_NUMBER_INT
              ? Long.valueOf((Integer) INT.read(json, path))
              : LONG.read(json, path);

  private static final Map<String, Primitive> TYPES =
      Map.ofEntries(
          Map.entry("boolean", new Primitive("must be true or false", null, null)),
          Map.entry("int", INT),
          Map.entry("long", LONG),
          Map.entry(
              "float",
              ofNumber("must be a JSON number that is a 32-bit float, written in full, for example 0.10000000149011612", Numbers::floatOf)),
          Map.entry(
              "double",
              ofNumber("must be a JSON number in the shortest form of a double, for example 21.5 or 1e+21", Numbers::doubleOf)),
          Map.entry("date", ofString("must be a date that exists, for example \"2026-11-27\"", Times::dateOf)),
          Map.entry(
              "time", ofString("must be a time with 6 digits of a second, for example \"10:11:12.500000\"", Times::timeOf)),
          Map.entry(
              "timestamp",
              ofString(
                  "must be a date and a time that exist, without a zone and with 6 digits of a second, for example \"2026-11-27T10:11:12.500000\"",
                  Times::timestampOf)),
          Map.entry("timestamptz", timestamptz()),
          Map.entry("accepted", timestamptz()),
          Map.entry("string", ofString("must be a string of well-formed Unicode", Texts::stringOf)),
          Map.entry("json", ofString("must be a string that holds canonical JSON text, without white space", JsonText::of)),
          Map.entry(
              "uuid",
              ofString("must be a UUID in lower case, for example \"8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c\"", Texts::uuidOf)),
          Map.entry("binary", ofString("must be base64 with padding, for example \"aGVsbG8=\"", Texts::binaryOf)));

  private final String expected;
  private final Function<String, Object> ofString;
  private final Function<String, Object> ofNumber;

  /** The functions give null for a text that is not canonical. A type without functions is boolean. */
  private Primitive(String expected, Function<String, Object> ofString, Function<String, Object> ofNumber) {
    this.expected = expected;
    this.ofString = ofString;
    this.ofNumber = ofNumber;
  }

  private static Primitive ofString(String expected, Function<String, Object> convert) {
    return new Primitive(expected, convert, null);
  }

  private static Primitive ofNumber(String expected, Function<String, Object> convert) {
    return new Primitive(expected, null, convert);
  }

  private static Primitive timestamptz() {
    return ofString(
        "must be a date and a time that exist, in UTC with 6 digits of a second, for example \"2026-11-27T10:11:12.500000Z\"",
        Times::timestamptzOf);
  }

  /** Null if there is no such type. */
  static Primitive of(String type) {
    Matcher decimal = DECIMAL.matcher(type);
    if (!decimal.matches()) return TYPES.get(type);
    int precision = Integer.parseInt(decimal.group(1));
    int scale = Integer.parseInt(decimal.group(2));
    return ofString(
        String.format(
            "must be a string that holds a decimal number with %d digits after the point and at most %d before it",
            scale, precision - scale),
        text -> Numbers.decimalOf(text, precision, scale));
  }

  @Override
  public Object read(JsonParser json, Path path) throws IOException {
    Object value = valueOf(json);
    if (value == null) throw path.fails(expected);
    return value;
  }

  private Object valueOf(JsonParser json) throws IOException {
    switch (json.currentToken()) {
      case VALUE_STRING:
        return ofString == null ? null : ofString.apply(json.getText());
      case VALUE_NUMBER_INT:
      case VALUE_NUMBER_FLOAT:
        return ofNumber == null ? null : ofNumber.apply(json.getText());
      case VALUE_TRUE:
      case VALUE_FALSE:
        return ofString == null && ofNumber == null ? json.getBooleanValue() : null;
      default:
        return null;
    }
  }
}
