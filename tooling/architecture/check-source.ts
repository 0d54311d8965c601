import ts from "typescript";

import { isAllowed } from "./check-manifest.ts";
import { ambientMembers, platformGlobals, type PackageRule } from "./rules.ts";

/**
 * Violations in one source file, one sentence each, with the line they are on.
 *
 * Reads the syntax tree, so comments and strings never count. A name that the file declares
 * anywhere (a parameter called `window`) is taken for the file's own; the compiler, which knows
 * scopes but has no such globals to begin with, sees the rest.
 */
export function checkSource(text: string, rule: PackageRule): string[] {
  const file = ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const report = (node: ts.Node, what: string): void => {
    const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
    found.push(`line ${line}: ${what}`);
  };

  const declared = declaredNames(file);
  visit(file, (node) => {
    const id = moduleNamedBy(node);
    if (id !== null && !id.startsWith(".") && !isAllowed(id, rule)) report(node, `imports ${id}`);
    if (!rule.neutral) return;
    if (id !== null && isCommandLine(id.replace(/^(?:\.\.?\/)+/, "")))
      report(node, `imports ${id}`);
    const name = globalNamedBy(node, declared);
    if (name !== null) report(node, `uses ${name}`);
  });
  return found;
}

/** Whether a path under `src` belongs to a package's command line. */
export function isCommandLine(path: string): boolean {
  return path === "cli.ts" || path.startsWith("cli/");
}

/** What the files of a command line may name; the rule itself for a package without one. */
export function commandLineRule(name: string, rule: PackageRule): PackageRule {
  if (rule.cli === undefined) return rule;
  const internal = [...rule.internal, name];
  return { internal, outside: [...rule.outside, ...rule.cli], neutral: false };
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

/** The module named by an import, a re-export, a dynamic import, a `require` or an import type. */
function moduleNamedBy(node: ts.Node): string | null {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return literal(node.moduleSpecifier);
  }
  if (ts.isExternalModuleReference(node)) return literal(node.expression);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return literal(node.argument.literal);
  }
  if (!ts.isCallExpression(node)) return null;
  const { expression } = node;
  const loads =
    expression.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(expression) && expression.text === "require");
  // A computed name cannot be checked, so it is not allowed: it is no module of the list.
  return loads ? (literal(node.arguments[0]) ?? "a computed name") : null;
}

function literal(node: ts.Node | undefined): string | null {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : null;
}

/** The forbidden global or member that this node reads, or null. */
function globalNamedBy(node: ts.Node, declared: ReadonlySet<string>): string | null {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const path = `${node.expression.text}.${node.name.text}`;
    const hidden =
      node.expression.text === "globalThis" && platformGlobals.includes(node.name.text);
    return hidden || ambientMembers.includes(path) ? path : null;
  }
  if (!ts.isIdentifier(node) || !platformGlobals.includes(node.text)) return null;
  return declared.has(node.text) || isLabel(node) ? null : node.text;
}

/** Whether an identifier names a member or a declaration rather than reading a variable. */
function isLabel(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isShorthandPropertyAssignment(parent)) return false;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return (parent as { readonly name?: ts.Node }).name === node;
}

/** Names that the file itself declares: variables, parameters, functions, imports, types. */
function declaredNames(file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  visit(file, (node) => {
    const declares =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isBindingElement(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isImportClause(node) ||
      ts.isImportSpecifier(node) ||
      ts.isNamespaceImport(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isInterfaceDeclaration(node);
    if (declares && node.name !== undefined && ts.isIdentifier(node.name))
      names.add(node.name.text);
  });
  return names;
}
