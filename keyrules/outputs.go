package keyrules

import (
	"fmt"
	"slices"
)

// maxOutputs is how many tags, and how many notes, a rule may give.
const maxOutputs = 16

// compileTemplates reads the templates in the order in which they depend on each other.
func (r *Rule) compileTemplates(out *rule, w *wants) error {
	p := parser{kind: out.kind, pattern: &out.pattern, wants: w}
	if len(out.methods) == 1 {
		p.method = out.methods[0]
	}
	var err error
	if out.action, err = p.parseText(outAction, r.Action); err != nil {
		return err
	}
	p.action, _ = out.action.constant()
	if out.service, err = p.parseText(outService, r.Service); err != nil {
		return err
	}
	p.service, _ = out.service.constant()
	if out.name, err = p.parseText(outName, r.Name); err != nil {
		return err
	}
	out.named = r.Name != ""
	if r.Name == "" && r.Path != "" && r.Use == "" {
		out.name = p.nameOfPattern()
	}
	if out.category, err = p.parseText(outCategory, r.Category); err != nil {
		return err
	}
	if err = r.compileSides(out, &p); err != nil {
		return err
	}
	if r.Key != "" {
		out.key, err = p.parseKey(r.Key)
	}
	out.body = out.reads(fieldJSON) && out.mayHaveBody() || out.more != nil && out.more.json.pattern != ""
	out.json = out.reads(fieldJSONPath) && out.mayHaveBody()
	return err
}

func (r *rule) mayHaveBody() bool {
	return len(r.methods) == 0 || slices.ContainsFunc(r.methods, mayHaveBody)
}

// compileSides reads what a rule gives beside its names: tags, notes, and the bound of its keys.
func (r *Rule) compileSides(out *rule, p *parser) error {
	if len(r.Tags) > maxOutputs || len(r.Notes) > maxOutputs {
		return fmt.Errorf("%d tags and %d notes; at most %d each", len(r.Tags), len(r.Notes), maxOutputs)
	}
	constant := true
	for _, tag := range r.Tags {
		if tag.Name == "" || len(tag.Name) > maxSegment || !isTagName(tag.Name) {
			return fmt.Errorf("tag %q: a name is made of letters, digits, dots, - and _", tag.Name)
		}
		value, err := p.parseText(outTag, tag.Value)
		if err != nil {
			return err
		}
		if value.empty() {
			return fmt.Errorf("tag %s: needs a value", tag.Name)
		}
		text, ok := value.constant()
		constant = constant && ok
		out.fixed = append(out.fixed, Tag{tag.Name, text})
		out.tags = append(out.tags, tagTemplate{tag.Name, value})
	}
	if !constant {
		out.fixed = nil
	}
	for _, note := range r.Notes {
		t, err := p.parseText(outNote, note)
		if err != nil {
			return err
		}
		if t.empty() {
			return fmt.Errorf("note: needs a value")
		}
		out.notes = append(out.notes, t)
	}
	switch {
	case r.MaxKeys < 0 || r.MaxKeys > mostMaxKeys:
		return fmt.Errorf("max_keys %d: must be between 1 and %d", r.MaxKeys, mostMaxKeys)
	case r.MaxKeys > 0:
		out.room = newTable(r.MaxKeys)
	}
	return nil
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '.' && safe[s[i]] != s[i] {
			return false
		}
	}
	return true
}

// category renders the category of a call, "" without one.
func (s *Set) category(w *work) string {
	t := &w.rule.category
	if t.empty() {
		return ""
	}
	if text, ok := t.constant(); ok {
		return text
	}
	if made := w.appendTemplate(w.text[:0], t); len(made) > 0 {
		return orOther(s.out.services.intern(made))
	}
	return ""
}

// tags renders the tags that have a value. Constant ones are made once, at Compile.
func (w *work) tags() []Tag {
	r := w.rule
	if r.fixed != nil || len(r.tags) == 0 {
		return r.fixed
	}
	made := make([]Tag, 0, len(r.tags))
	for i := range r.tags {
		t := &r.tags[i]
		if value := w.appendTemplate(w.text[:0], &t.value); len(value) > 0 {
			made = append(made, Tag{t.name, string(value[:min(len(value), maxText)])})
		}
	}
	return made
}

// notes renders the notes that have a value.
func (s *Set) notes(w *work) []string {
	if len(w.rule.notes) == 0 {
		return nil
	}
	made := make([]string, 0, len(w.rule.notes))
	for i := range w.rule.notes {
		var k keyWriter
		if note := w.writeSegment(&k, &w.rule.notes[i]); len(note) > 0 {
			made = append(made, orOther(s.out.actions.intern(note)))
		}
	}
	return made
}
