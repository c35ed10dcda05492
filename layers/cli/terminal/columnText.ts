/** Parts of a stream's definition, as a person reads them. */
import type { PartitionField } from "../../../services/StreamDefinition.ts"

/** `day(at)`, `bucket(device, 16)`; for identity the column alone. */
export const partitionText = ({ column, transform, width }: PartitionField) => {
  if (transform === "identity") return column
  return width === undefined ? `${transform}(${column})` : `${transform}(${column}, ${width})`
}
