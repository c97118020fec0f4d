#!/usr/bin/env bash
# Publishes what the tag names, with provenance, and makes a release of it. Meant for the release workflow.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(node -p "require('./package.json').version")
tag=${GITHUB_REF_NAME:?runs in the release workflow}
[ "$tag" = "v$version" ] || { echo "The tag is $tag, package.json says $version" >&2; exit 1; }
notes=$(node .github/release-notes.mjs "$version")

# Provenance names the repository, and the package has to name the same one. On npm the README's relative links lead there.
home="https://github.com/${GITHUB_REPOSITORY:?}"
npm pkg set "repository.type=git" "repository.url=git+$home.git" "homepage=$home#readme" "bugs.url=$home/issues"
# What proves the README is for its maintainers.
sed -i '/^<!-- claim: /d' README.md
npm publish --provenance --access public
gh release create "$tag" --verify-tag --title "$tag" --notes "$notes"
