"""Expressions over columns, as `selection`, `columns` and `weight` of a problem have them.

    selection="pt > 20 & abs(eta) < 2.5 & process != 'data'"
    columns={"m_ratio": "m_jj / m_bb", "lead_pt": "index(jet_pt, 0)", "n_hard": "len(jet_pt[jet_pt > 30])"}
    weight="mc_weight * scale"

- Names are those of columns; one that is no word stands in backticks, `` `pt [GeV]` ``. Texts stand in quotes.
- `+ - * / // % **` compute in double precision. `< <= > >= == !=` and chains of them, `20 < pt < 40`, compare; texts
  only by `==`, `!=` and `in ("a", "b")`.
- `&` or `and`, `|` or `or`, `~` or `not` join conditions; the first two bind less tightly than comparisons, as in ROOT
  and in `pandas.DataFrame.query`: `pt > 20 & eta < 2` is what it looks like. ROOT's `&&`, `||` and `!` are read, too.
  A column of 0 and 1 is a condition; of other numbers none.
- A list for each event, such as the jets of an event: `index(jet_pt, 0)` or `jet_pt[0]` is one element, from the end
  where negative; `jet_pt[jet_pt > 30]` a shorter list; `sum`, `len`, `any`, ... make one value of it. Arithmetic goes
  element by element, with other lists of the same lengths, and with one value an event.
- Functions: `tuner.events.expressions.functions.FUNCTIONS`.
- What a column marks as undefined (-999) is undefined before anything is computed, and so is every result that is not
  finite: a division by zero, the logarithm of -1, the first jet of an event without jets. How often is told. No
  comparison with something undefined holds, `!=` neither; its opposite does: `~(lead_pt > 30)` is true without jets.

An expression is read by Python's parser into a tree, of which every node must be one of those named above. There are no
attributes, no other names, no calls of anything but the functions: nothing in it can run.
"""
