// The editor of a code cell. It stands in for the highlighted code and looks like it: its tokens
// bear Pygments' own class names, so the page's colours hold in light and dark.
// Loaded when a cell is first edited.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { pythonLanguage } from "@codemirror/lang-python";
import { indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorView, keymap } from "@codemirror/view";
import { tagHighlighter, tags } from "@lezer/highlight";

const PYGMENTS = tagHighlighter([
  { tag: [tags.keyword, tags.self, tags.controlKeyword, tags.definitionKeyword], class: "k" },
  { tag: tags.moduleKeyword, class: "kn" },
  { tag: tags.operatorKeyword, class: "ow" },
  { tag: [tags.bool, tags.null], class: "kc" },
  { tag: tags.comment, class: "c1" },
  { tag: [tags.string, tags.special(tags.string), tags.character], class: "s2" },
  { tag: tags.number, class: "mi" },
  { tag: tags.operator, class: "o" },
  { tag: tags.punctuation, class: "p" },
  { tag: tags.function(tags.definition(tags.variableName)), class: "nf" },
  { tag: tags.definition(tags.className), class: "nc" },
  { tag: tags.variableName, class: "n" },
  { tag: tags.meta, class: "nd" },
]);

// It stands in a <pre>, whose padding, font and colours it takes.
const LOOK = EditorView.theme({
  "&": { color: "inherit", background: "transparent" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { font: "inherit", lineHeight: "inherit" },
  ".cm-content": { padding: "0", caretColor: "currentColor" },
  ".cm-line": { padding: "0" },
});

// Escape, then Tab leaves: CodeMirror lets go of Tab for two seconds after Escape.
export function openEditor({ parent, code, label, wraps, onChange, onRun }) {
  const run = () => {
    onRun();
    return true;
  };
  const view = new EditorView({
    parent,
    doc: code,
    extensions: [
      keymap.of([{ key: "Shift-Enter", run }, { key: "Mod-Enter", run }]),
      keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
      history(),
      indentUnit.of("    "),
      pythonLanguage,
      syntaxHighlighting(PYGMENTS),
      LOOK,
      wraps ? EditorView.lineWrapping : [],
      EditorView.contentAttributes.of({
        "aria-label": label,
        autocapitalize: "off",
        autocorrect: "off",
        spellcheck: "false",
      }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) onChange(update.state.doc.toString());
      }),
    ],
  });
  return { focus: () => view.focus(), close: () => view.destroy() };
}
