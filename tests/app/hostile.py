"""Fifty strings that would be markup, formulas, code or invisible somewhere."""

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "'\"><b>x</b>", "&lt;i&gt;", "</script><script>alert(1)//",
    "<!--", "-->", "]]>", "<svg/onload=alert(1)>", "<a href='javascript:alert(1)'>x</a>", "<iframe src=//example.invalid>",
    "{{7*7}}", "${7*7}", "<%= 7*7 %>", "%s%n%x", "{0.__class__}", "[a](javascript:alert(1))", 
    "![x](http://example.invalid/x.png)",
    "**bold** _italic_ `code`", "# heading", "- item", "1. item", "> quote", "| a | b |\n|---|---|", "$x^2$ and $$y$$",
    ":red[colour] :material/home: :smile:", "http://example.invalid www.example.invalid a@example.invalid", "---\n***",
    "\\input{/etc/passwd}", "\\\\[1em]*", "100 % & more_of #1 {x} ~ ^", "\\end{tabular}\\write18{ls}", "=1+1", "+1+1", "-1+1",
    "@SUM(A1)", " =1+1", "\t=1+1", "\r=1+1", "\u200b=1+1", "＝1+1", 
    "=HYPERLINK(\"http://example.invalid\",\"x\")", "'; DROP TABLE x; --",
    "\u202eright to left\u202c", "zero\u200bwidth\u2060joined\ufeff", "null\x00 bell\x07 escape\x1b[31m", "a\nb\r\nc\u2028d",
    "🙂👩‍👩‍👧 e\u0301\u0323\u0300\u0331", "x" * 5000, "<br>newline <b>in a chart</b>",
)  # fmt: skip
assert len(HOSTILE) == len(set(HOSTILE)) == 50
