/** What mends a table with which the sink cannot go on. */
export const anew =
  "floe replay --into weather_again --swap makes the table anew from the topic. Rows whose events the topic has no more go with the old one: keep them first, with floe query 'CREATE TABLE weather_before AS SELECT * FROM weather'."
