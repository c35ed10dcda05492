/** The annotation that holds a column's type. */
export const annotation = "floe/column"
