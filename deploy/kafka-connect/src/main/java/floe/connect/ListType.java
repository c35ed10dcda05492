package floe.connect;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

final class ListType implements ColumnType {
  private final ColumnType element;
  private final boolean nullable;

  ListType(ColumnType element, boolean nullable) {
    this.element = element;
    this.nullable = nullable;
  }

  @Override
  public Object read(JsonParser json, Path path) throws IOException {
    if (json.currentToken() != JsonToken.START_ARRAY) throw path.fails("must be an array");
    List<Object> elements = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      elements.add(ColumnType.orNull(element, nullable, json, path.element(elements.size())));
    }
    return elements;
  }
}
