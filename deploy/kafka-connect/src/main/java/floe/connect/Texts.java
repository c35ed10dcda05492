package floe.connect;

import java.util.Base64;
import java.util.UUID;
import java.util.regex.Pattern;

/** Strings, UUIDs and base64. All functions give null for a text that is not canonical. */
final class Texts {
  private static final Pattern UUID_IN_LOWER_CASE = Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");

  private Texts() {}

  static String stringOf(String text) {
    return Json.isWellFormed(text) ? text : null;
  }

  static UUID uuidOf(String text) {
    return UUID_IN_LOWER_CASE.matcher(text).matches() ? UUID.fromString(text) : null;
  }

  /** RFC 4648, section 4, with padding; the bits that padding leaves over must be 0. */
  static byte[] binaryOf(String text) {
    try {
      byte[] bytes = Base64.getDecoder().decode(text);
      return Base64.getEncoder().encodeToString(bytes).equals(text) ? bytes : null;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
