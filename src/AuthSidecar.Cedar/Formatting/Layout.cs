namespace AuthSidecar.Cedar;

/// <summary>A text with places where it may be broken into lines, after Wadler, "A prettier printer" (2003): a group stays on its line if
/// it fits, else all places of its own become line breaks.</summary>
internal abstract record Layout
{
    /// <summary>Nothing, on a line; in a broken group, a new line.</summary>
    public static readonly Layout SoftLine = new LineLayout("");

    /// <summary>A space, on a line; in a broken group, a new line.</summary>
    public static readonly Layout Line = new LineLayout(" ");

    /// <summary>A new line, always.</summary>
    public static readonly Layout HardLine = new HardLineLayout(1);

    /// <summary>An empty line, always.</summary>
    public static readonly Layout EmptyLine = new HardLineLayout(2);

    /// <summary>Whether there has to be a new line in this.</summary>
    public abstract bool IsBroken { get; }

    /// <summary>Whether there has to be a new line behind this.</summary>
    public virtual bool EndsInComment => false;

    public static Layout Text(string text) => new TextLayout(text);
    public static Layout Of(params IReadOnlyList<Layout> parts) => new ConcatLayout(parts);
    public static Layout Group(params IReadOnlyList<Layout> parts) => new GroupLayout(Of(parts));
    public static Layout Indent(params IReadOnlyList<Layout> parts) => new IndentLayout(Of(parts));

    /// <summary>A comment at the end of a line, or, if it is not trailing, on a line of its own. What follows it is on the next.</summary>
    public static Layout Comment(string text, bool isTrailing) => new CommentLayout(text, isTrailing);

    public string Print(int width, int indentSize)
    {
        var printer = new Printer(width, indentSize);
        printer.Print(this);
        return printer.ToString();
    }

    private sealed record TextLayout(string Value) : Layout
    {
        public override bool IsBroken => false;
    }

    private sealed record LineLayout(string Flat) : Layout
    {
        public override bool IsBroken => false;
    }

    private sealed record HardLineLayout(int Newlines) : Layout
    {
        public override bool IsBroken => true;
    }

    private sealed record CommentLayout(string Value, bool IsTrailing) : Layout
    {
        public override bool IsBroken => !IsTrailing;
        public override bool EndsInComment => true;
    }

    private sealed record ConcatLayout(IReadOnlyList<Layout> Parts) : Layout
    {
        public override bool IsBroken { get; } = Parts.Any(p => p.IsBroken) || Parts.SkipLast(1).Any(p => p.EndsInComment);
        public override bool EndsInComment { get; } = Parts.Count > 0 && Parts[^1].EndsInComment;
    }

    private sealed record GroupLayout(Layout Body) : Layout
    {
        public override bool IsBroken { get; } = Body.IsBroken;
        public override bool EndsInComment { get; } = Body.EndsInComment;
    }

    private sealed record IndentLayout(Layout Body) : Layout
    {
        public override bool IsBroken { get; } = Body.IsBroken;
        public override bool EndsInComment { get; } = Body.EndsInComment;
    }

    private sealed class Printer(int width, int indentSize)
    {
        private readonly StringBuilder _text = new();
        private readonly Stack<(Layout Layout, int Indent, bool IsFlat)> _left = new();
        private int _column;

        // Behind a comment, whatever comes next has to be on a new line, whether or not there is a place for one.
        private bool _isBehindComment;

        public void Print(Layout layout)
        {
            _left.Push((layout, 0, false));
            while (_left.TryPop(out var next))
            {
                var (part, indent, isFlat) = next;
                switch (part)
                {
                    case TextLayout text: Write(text.Value, indent); break;
                    case LineLayout line when isFlat: Write(line.Flat, indent); break;
                    case LineLayout: NewLine(1); break;
                    case HardLineLayout line: NewLine(line.Newlines); break;
                    case CommentLayout comment: Write(comment, indent); break;
                    case ConcatLayout concat:
                        for (var i = concat.Parts.Count - 1; i >= 0; i--)
                            _left.Push((concat.Parts[i], indent, isFlat));

                        break;
                    case IndentLayout inner: _left.Push((inner.Body, indent + indentSize, isFlat)); break;
                    case GroupLayout group: _left.Push((group.Body, indent, isFlat || (!group.IsBroken && Fits(group.Body)))); break;
                }
            }
        }

        public override string ToString() => _text.ToString();

        /// <summary>Whether a layout fits on what is left of the line, with what is stuck to its end.</summary>
        private bool Fits(Layout layout)
        {
            var room = width - _column;
            var inside = new Stack<(Layout Layout, bool IsFlat)>();
            inside.Push((layout, true));
            using var behind = _left.GetEnumerator();
            while (room >= 0)
            {
                if (!inside.TryPop(out var next))
                {
                    if (!behind.MoveNext())
                        return true;

                    next = (behind.Current.Layout, behind.Current.IsFlat);
                }

                switch (next.Layout)
                {
                    case TextLayout text: room -= WidthOf(text.Value); break;
                    case LineLayout line when next.IsFlat: room -= line.Flat.Length; break;
                    case LineLayout or HardLineLayout or CommentLayout: return true;
                    case ConcatLayout concat:
                        for (var i = concat.Parts.Count - 1; i >= 0; i--)
                            inside.Push((concat.Parts[i], next.IsFlat));

                        break;
                    case IndentLayout indented: inside.Push((indented.Body, next.IsFlat)); break;
                    case GroupLayout group: inside.Push((group.Body, next.IsFlat && !group.IsBroken)); break;
                }
            }

            return false;
        }

        private void Write(string text, int indent)
        {
            // A space before a new line is none.
            if (text.Length == 0 || (_isBehindComment && text == " "))
                return;

            if (_isBehindComment)
                NewLine(1);

            if (_column == 0)
            {
                _text.Append(' ', indent);
                _column = indent;
            }

            _text.Append(text);
            _column += WidthOf(text);
        }

        private void Write(CommentLayout comment, int indent)
        {
            if (_isBehindComment || (!comment.IsTrailing && _column > 0))
                NewLine(1);

            TrimEnd();
            _text.Append(_column == 0 ? new string(' ', indent) : " ").Append(comment.Value);
            _column = width;
            _isBehindComment = true;
        }

        private void NewLine(int count)
        {
            TrimEnd();
            // Two wishes for a new line are one; none is needed where the text begins.
            var have = 0;
            while (have < _text.Length && _text[_text.Length - 1 - have] == '\n')
                have++;

            if (_text.Length > 0 && have < count)
                _text.Append('\n', count - have);

            _column = 0;
            _isBehindComment = false;
        }

        private void TrimEnd()
        {
            // Never into a comment: what ends in spaces there was cut off when it was read.
            while (_text.Length > 0 && _text[^1] == ' ')
                _text.Length--;
        }

        /// <summary>Roughly: as many columns as there are scalars.</summary>
        private static int WidthOf(string text) => text.EnumerateRunes().Count();
    }
}
