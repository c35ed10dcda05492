package floe.connect;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Numbers by their text. All functions give null for a text that is not canonical. */
final class Numbers {
  private static final int MAX_LONG_DIGITS = 20;
  /** Distinct decimals of so many digits are distinct doubles. */
  private static final int EXACT_DIGITS = 15;
  private static final int MOST_DIGITS = 17;

  private Numbers() {}

  static Integer intOf(String text) {
    Long value = longOf(text);
    return value == null || value != value.intValue() ? null : Integer.valueOf(value.intValue());
  }

  static Long longOf(String text) {
    if (!isPlain(text, 0, text.length()) || text.length() > MAX_LONG_DIGITS) return null;
    try {
      return Long.valueOf(text);
    } catch (NumberFormatException e) {
      return null;
    }
  }

  /** Digits without needless zeros, perhaps after a minus; not -0. */
  private static boolean isPlain(String text, int from, int to) {
    int start = from < to && text.charAt(from) == '-' ? from + 1 : from;
    if (start >= to || (text.charAt(start) == '0' && (to - start > 1 || start > from))) return false;
    return isDigits(text, start, to);
  }

  private static boolean isDigits(String text, int from, int to) {
    for (int i = from; i < to; i++) if (text.charAt(i) < '0' || text.charAt(i) > '9') return false;
    return true;
  }

  static BigDecimal decimalOf(String text, int precision, int scale) {
    int end = text.length();
    int point = scale == 0 ? end : end - scale - 1;
    if (point < 1 || text.length() > precision + 3) return null;
    if (scale > 0 && (text.charAt(point) != '.' || !isDigits(text, point + 1, end))) return null;
    boolean negative = text.charAt(0) == '-';
    int start = negative ? 1 : 0;
    if (start >= point || !isPlain(text, start, point) || text.charAt(start) == '-') return null;
    BigDecimal value = new BigDecimal(text);
    if (negative && value.signum() == 0) return null;
    return value.precision() > precision ? null : value;
  }

  static Float floatOf(String text) {
    Double value = doubleOf(text);
    return value == null || value.floatValue() != value ? null : Float.valueOf(value.floatValue());
  }

  static Double doubleOf(String text) {
    double value = Double.parseDouble(text);
    if (Double.isInfinite(value)) return null;
    return isSimple(text) || ecmaScript(value).equals(text) ? Double.valueOf(value) : null;
  }

  /** Of at most 15 digits, without an exponent or needless zeros: such a text is the shortest one of its double. */
  private static boolean isSimple(String text) {
    int start = text.charAt(0) == '-' ? 1 : 0;
    int point = text.indexOf('.');
    int length = text.length() - start;
    if (length > EXACT_DIGITS + 1) return false;
    if (point < 0) return length <= EXACT_DIGITS && isPlain(text, 0, text.length());
    if (text.charAt(text.length() - 1) == '0' || !isDigits(text, point + 1, text.length())) return false;
    // Below 0.000001 an exponent is written.
    return text.charAt(start) == '0'
        ? point == start + 1 && text.length() - point <= 7
        : isDigits(text, start, point);
  }

  /** A finite number as ECMAScript's Number::toString writes it. */
  static String ecmaScript(double value) {
    if (value == 0) return "0";
    if (value < 0) return "-" + ecmaScript(-value);
    BigDecimal shortest = shortest(value);
    String digits = shortest.unscaledValue().toString();
    int count = digits.length();
    // value = 0.digits × 10^point
    int point = count - shortest.scale();
    if (count <= point && point <= 21) return digits + "0".repeat(point - count);
    if (0 < point && point <= 21) return digits.substring(0, point) + "." + digits.substring(point);
    if (-6 < point && point <= 0) return "0." + "0".repeat(-point) + digits;
    String exponent = (point > 0 ? "e+" : "e-") + Math.abs(point - 1);
    return digits.substring(0, 1) + (count == 1 ? "" : "." + digits.substring(1)) + exponent;
  }

  /** The decimal with the fewest digits that is read as this number; of two, the nearer one. */
  private static BigDecimal shortest(double value) {
    BigDecimal exact = new BigDecimal(value);
    for (int digits = 1; digits < MOST_DIGITS; digits++) {
      BigDecimal nearest = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
      if (nearest.doubleValue() == value) return nearest.stripTrailingZeros();
      // At a power of two the numbers below are twice as dense, so the farther neighbour can be the only one.
      BigDecimal above = exact.round(new MathContext(digits, RoundingMode.CEILING));
      if (above.doubleValue() == value) return above.stripTrailingZeros();
    }
    return exact.round(new MathContext(MOST_DIGITS, RoundingMode.HALF_EVEN)).stripTrailingZeros();
  }
}
