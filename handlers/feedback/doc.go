// Package feedback renders everything that is said on GitHub: check runs, pull requests, the rolling issue, the
// onboarding pull request. It is pure: the same input gives the same text, so a text that did not change need not be sent.
//
// Everything that comes from files, NetBox or people goes through an escaper before it stands in a text: Text, Code,
// Fence, HTMLCode in Markdown; Plain and Title where GitHub shows plain text. Whatever the value is, what they return
// mentions nobody, refers to no issue, ends no table cell, opens no HTML and never reads as a command.
package feedback
