// Code that runs the query: curl, Python and R, ready to run.
import { endpoint } from "./page.js";

const address = () => new URL(endpoint, location.href).href;

export const languages = { curl, python, r };

function curl(query) {
  let end = "SPARQL";
  while (query.split("\n").includes(end)) end += "_";
  return `curl -s -H 'Accept: text/csv' --data-urlencode 'query@-' '${address().replaceAll("'", "'\\''")}' <<'${end}'
${query.replace(/\n$/, "")}
${end}
`;
}

function python(query) {
  // A raw string has no escapes; a query that would end it is written as a JSON string.
  const isRaw = !query.includes('"""') && !query.endsWith('"') && !query.endsWith("\\");
  const text = isRaw ? `r"""${query}"""` : JSON.stringify(query);
  return `# pip install SPARQLWrapper
import csv
import io

from SPARQLWrapper import CSV, SPARQLWrapper

client = SPARQLWrapper(${JSON.stringify(address())})
client.setQuery(${text})
client.setReturnFormat(CSV)
response = client.query().convert().decode("utf-8")
for row in csv.DictReader(io.StringIO(response)):
    print(row)
`;
}

function r(query) {
  let dashes = "";
  while (query.includes(`)${dashes}"`)) dashes += "-";
  return `# install.packages(c("httr2", "readr"))
library(httr2)

query <- r"${dashes}(${query})${dashes}"

response <- request(${JSON.stringify(address())}) |>
  req_body_form(query = query) |>
  req_headers(Accept = "text/csv") |>
  req_perform()
table <- readr::read_csv(I(resp_body_string(response)), show_col_types = FALSE)
print(table)
`;
}
