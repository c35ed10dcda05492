package floe.connect;

import java.time.DateTimeException;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;

/** Dates and times, of the years 0001 to 9999 and with 6 digits of a second. All functions give null for any other text. */
final class Times {
  private static final int DATE = "2026-11-27".length();
  private static final int TIME = "10:11:12.500000".length();

  private Times() {}

  /** The digits from {@code from} to {@code to}; -1 if there is anything else. */
  private static int digits(String text, int from, int to) {
    int value = 0;
    for (int i = from; i < to; i++) {
      int digit = text.charAt(i) - '0';
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value;
  }

  private static LocalDate date(String text) {
    int year = digits(text, 0, 4);
    int month = digits(text, 5, 7);
    int day = digits(text, 8, 10);
    if (text.charAt(4) != '-' || text.charAt(7) != '-' || year < 1) return null;
    try {
      return LocalDate.of(year, month, day);
    } catch (DateTimeException e) {
      return null;
    }
  }

  private static LocalTime time(String text, int at) {
    int hour = digits(text, at, at + 2);
    int minute = digits(text, at + 3, at + 5);
    int second = digits(text, at + 6, at + 8);
    int micros = digits(text, at + 9, at + TIME);
    if (text.charAt(at + 2) != ':' || text.charAt(at + 5) != ':' || text.charAt(at + 8) != '.' || micros < 0) return null;
    try {
      return LocalTime.of(hour, minute, second, micros * 1000);
    } catch (DateTimeException e) {
      return null;
    }
  }

  private static LocalDateTime both(String text) {
    LocalDate date = date(text);
    LocalTime time = text.charAt(DATE) == 'T' ? time(text, DATE + 1) : null;
    return date == null || time == null ? null : LocalDateTime.of(date, time);
  }

  static LocalDate dateOf(String text) {
    return text.length() == DATE ? date(text) : null;
  }

  static LocalTime timeOf(String text) {
    return text.length() == TIME ? time(text, 0) : null;
  }

  static LocalDateTime timestampOf(String text) {
    return text.length() == DATE + 1 + TIME ? both(text) : null;
  }

  static OffsetDateTime timestamptzOf(String text) {
    if (text.length() != DATE + 1 + TIME + 1 || !text.endsWith("Z")) return null;
    LocalDateTime local = both(text);
    return local == null ? null : local.atOffset(ZoneOffset.UTC);
  }
}
