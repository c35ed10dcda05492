package floe.connect;

import org.apache.kafka.connect.errors.DataException;

/** Where a value stands in an event: {@code place.lat}, {@code tags[2]}. Its text is made only for an error. */
final class Path {
  static final Path ROOT = new Path(null, "", -1);
  private static final int MAX_NAME = 64;

  private final Path parent;
  private final String name;
  private final int index;

  private Path(Path parent, String name, int index) {
    this.parent = parent;
    this.name = name;
    this.index = index;
  }

  Path field(String field) {
    return new Path(this, field, -1);
  }

  Path element(int position) {
    return new Path(this, "", position);
  }

  /** The predicate of a sentence about the field, without its period. */
  DataException fails(String predicate) {
    return new DataException((parent == null ? "The value " : "The field " + this + " ") + predicate + ".");
  }

  @Override
  public String toString() {
    if (parent == null) return "";
    if (index >= 0) return parent + "[" + index + "]";
    String shown = name.length() > MAX_NAME ? name.substring(0, MAX_NAME) + "…" : name;
    return parent.parent == null ? shown : parent + "." + shown;
  }
}
