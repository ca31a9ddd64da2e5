// Parses KQL queries and binds them to a schema with Microsoft's own language service.
// usage: node bind_kql.cjs <node_modules> < {"tables": {name: {column: type}}, "queries": {name: text}}
// prints {name: {"problems": [...], "columns": {name: type}}}
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const service = join(process.argv[2], "@kusto", "language-service-next");
require(join(service, "bridge.min.js"));
require(join(service, "Kusto.Language.Bridge.min.js"));

const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;
const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));

const each = (list, visit) => {
  for (let index = 0; index < list.Count; index++) visit(list.getItem(index));
};

const symbols = Object.entries(tables).map(([name, columns]) => {
  const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`).join(", ");
  return new Symbols.TableSymbol.$ctor7(name, `(${schema})`, null);
});
const database = new Symbols.DatabaseSymbol.ctor("logs", symbols);
const globals = GlobalState.Default.WithDatabase(database);

const answer = {};
for (const [name, text] of Object.entries(queries)) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const problems = [];
  each(code.GetDiagnostics(), (found) => {
    const line = text.slice(0, found.Start).split("\n").length;
    problems.push(`line ${line}: ${found.Severity}: ${found.Message}`);
  });
  const columns = {};
  if (code.ResultType && code.ResultType.Columns) {
    each(code.ResultType.Columns, (column) => { columns[column.Name] = column.Type.Name; });
  }
  answer[name] = { problems, columns };
}
process.stdout.write(JSON.stringify(answer));
